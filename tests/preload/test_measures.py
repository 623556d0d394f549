#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The measurement of the policy lazy must not kill a VMM with a filter.

usage: test_measures.py TESTVMM LIBRARY

If no cache file has the cost of a signal, the front measures it, in a thread
that inherits the filter.  In this test no cache file can exist: a folder has
its name.

Exits 77 if the machine has no KVM, or the build has a sanitizer: a sanitized
library cannot be preloaded.
"""
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

TESTVMM, LIBRARY = sys.argv[1:3]
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def forbid_each(scenario, **more):
    """Returns the calls of which the VMM dies."""
    env = {name: value for name, value in os.environ.items()
           if not name.startswith("BELFRY_")}
    done = subprocess.run([TESTVMM, scenario], env=dict(env, **more),
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

    def test_filtered_process(self):
        self.check("forbidden-late")

    def test_filtered_vcpu(self):
        self.check("forbidden-vcpu")


if __name__ == "__main__":
    if not LIBRARY:
        print("skipped: a sanitized library cannot be preloaded")
        sys.exit(77)
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        print("skipped: no /dev/kvm")
        sys.exit(77)
    unittest.main(argv=sys.argv[:1])
