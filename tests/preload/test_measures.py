#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A VMM whose filter forbids one system call does not die of what a ring costs.

usage: test_measures.py TINY_VMM LIBRARY

The front finds that out in a thread that inherits the filter, if no file says
it.  Here none ever does: a folder lies where the file would be.

Exits 77 where the machine has no KVM, and for a sanitized build, whose library
cannot be preloaded.
"""
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

TINY_VMM, LIBRARY = sys.argv[1:3]
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def forbid_each(scenario, **more):
    """Says of which calls the VMM dies."""
    env = {name: value for name, value in os.environ.items()
           if not name.startswith("BELFRY_")}
    done = subprocess.run([TINY_VMM, scenario], env=dict(env, **more),
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          check=True, text=True)
    return done.stdout


class Measures(unittest.TestCase):
    def check(self, scenario):
        with tempfile.TemporaryDirectory(prefix="belfry-test-") as runtime:
            boot_id = BOOT_ID.read_text(encoding="ascii").strip()
            Path(runtime, f"belfry-costs-{os.geteuid()}-{boot_id}").mkdir()
            under = forbid_each(scenario, LD_PRELOAD=LIBRARY,
                                XDG_RUNTIME_DIR=runtime, BELFRY_QUIET_MS="1")
        self.assertEqual(under, forbid_each(scenario))

    def test_fenced_process(self):
        self.check("forbidden-late")

    def test_fenced_vcpu(self):
        self.check("forbidden-vcpu")


if __name__ == "__main__":
    if not LIBRARY:
        print("skipped: a sanitized library cannot be preloaded")
        sys.exit(77)
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        print("skipped: no /dev/kvm")
        sys.exit(77)
    unittest.main(argv=sys.argv[:1])
