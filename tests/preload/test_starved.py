#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A host that is short of CPU, memory or disk, or whose clock is set.

usage: test_starved.py BELFRY TESTVMM STEP_CLOCK

A VMM under belfry run must end with its own exit status and the output that it
has on any host, and belfry prints one line of its own or none.

Exits 77 if the machine has no KVM, or the build has a sanitizer: a sanitized
library cannot be preloaded.
"""
import json
import os
import resource
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from belfry_test import BELFRY, HAVE_KVM, SANITIZED, TESTVMM

STEP_CLOCK = sys.argv[3]

# The output of testvmm two-vms on any host.
TWO_VMS = "end\nend\nfirst: 3\nsecond: 4\n"

HOUR_IN_MS = 3600 * 1000

def run(*command, **kwargs):
    return subprocess.run(command, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=200,
                          check=False, **kwargs)


class Quota:
    """A control group with a tenth of one CPU; a reason if there is none."""

    def __init__(self):
        root = Path("/sys/fs/cgroup")
        self.old = (root / "cpu").is_dir()
        self.path = (root / "cpu" if self.old else root) / (
            f"belfry-test-{os.getpid()}")

    def __enter__(self):
        try:
            self.path.mkdir()
        except OSError as error:
            raise unittest.SkipTest(f"no control group: {error}")
        try:
            self.limit()
        except OSError as error:
            self.path.rmdir()
            raise unittest.SkipTest(f"no CPU quota: {error}")
        return self

    def limit(self):
        if self.old:
            (self.path / "cpu.cfs_period_us").write_text("100000")
            (self.path / "cpu.cfs_quota_us").write_text("10000")
        else:
            (self.path / "cpu.max").write_text("10000 100000")

    def enter(self):
        (self.path / "cgroup.procs").write_text(str(os.getpid()))

    def throttled(self):
        stat = (self.path / "cpu.stat").read_text().split()
        return int(stat[stat.index("nr_throttled") + 1])

    def __exit__(self, *_):
        self.path.rmdir()


class Starved(unittest.TestCase):
    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory())
        self.trace = Path(self.folder, "trace")

    def run_vmm(self, *options, scenario="two-vms", **kwargs):
        return run(BELFRY, "run", "--quiet", *options, "--", TESTVMM, scenario,
                   **kwargs)

    def test_cpu_quota(self):
        """Doorbells that move while all threads get a tenth of a CPU."""
        with Quota() as quota:
            env = dict(os.environ, TESTVMM_SECONDS="3")
            done = self.run_vmm("--trace", self.trace, scenario="load",
                                env=env, preexec_fn=quota.enter)
            throttled = quota.throttled()
        self.assertEqual(done.returncode, 0, done)
        self.assertEqual(done.stdout,
                         "nothing lost, doubled, late or leaked\n")
        self.assertNotIn("belfry", done.stderr)
        self.assertEqual(run(BELFRY, "report", self.trace).returncode, 0)
        self.assertGreater(throttled, 5)

    def test_memory(self):
        """Less and less address space.  Without it no VMM starts."""
        for kib in 262144, 32768, 16384, 12288, 8192, 6144:
            def limit(size=kib << 10):
                resource.setrlimit(resource.RLIMIT_AS, (size, size))

            for options in [], ["--trace", self.trace]:
                with self.subTest(kib=kib, options=options):
                    self.check_short(self.run_vmm(*options, preexec_fn=limit))

    def check_short(self, done):
        self.assertIn((done.returncode, done.stdout),
                      [(0, TWO_VMS), (1, "")], done)
        self.assertLessEqual(len(done.stderr.splitlines()), 1, done)
        if done.returncode:
            self.assertRegex(done.stderr, r"\Abelfry run: ")

    def test_full_disk(self):
        """belfry's files are on a file system without room."""
        mount = f"mount -t tmpfs -o size=4k none {self.folder}"
        if run("unshare", "-Urm", "sh", "-c", mount).returncode:
            self.skipTest("no mount in a user namespace")
        for option in "--trace", "--report", "--output":
            done = run("unshare", "-Urm", "sh", "-c",
                       f"{mount} && head -c 4096 /dev/zero >{self.folder}/x;"
                       f' exec "$@"', "-", BELFRY, "run", option, self.trace,
                       "sh", "-c", "exit 5")
            self.assertEqual(done.returncode, 5)
            self.assertRegex(done.stderr, r"belfry run: cannot write .*"
                             r": No space left on device\n\Z")

    def test_clock_is_set(self):
        """Each look at the clock finds it an hour off.  No time is."""
        env = dict(os.environ, LD_PRELOAD=STEP_CLOCK)
        done = run(BELFRY, "run", "--trace", self.trace, "--all", "--json",
                   "--", TESTVMM, "two-vms", env=env)
        self.assertEqual((done.returncode, done.stdout), (0, TWO_VMS))
        for row in json.loads(done.stderr):
            self.assertTrue(0 <= row["value"] < HOUR_IN_MS, row)
        self.assertEqual(run(BELFRY, "report", self.trace,
                             env=env).returncode, 0)


if __name__ == "__main__":
    if not HAVE_KVM or SANITIZED:
        print("skipped: it needs /dev/kvm and a build without sanitizer")
        sys.exit(77)
    unittest.main(argv=sys.argv[:1])
