# SPDX-License-Identifier: MIT
"""Helpers for the tests of reports and comparisons."""
import os
import subprocess
import sys
import unittest

BELFRY, TESTVMM = sys.argv[1:3]
SANITIZED = bool(os.environ.get("BELFRY_SANITIZED"))
HAVE_KVM = os.access("/dev/kvm", os.R_OK | os.W_OK)


def belfry(*args, **kwargs):
    return subprocess.run([BELFRY, *args], stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=100, check=False,
                          **kwargs)


class BelfryTest(unittest.TestCase):
    def check_line(self, status, *args):
        done = belfry(*args, text=True)
        self.assertEqual(done.returncode, status)
        self.assertEqual(done.stdout, "")
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        return done.stderr
