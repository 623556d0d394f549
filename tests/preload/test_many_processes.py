#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""VMs of many processes change at random: memory, fds and times stay level.

usage: test_many_processes.py BELFRY TESTVMM [PROCESSES [VMS [SECONDS]]]

Each process has VMS VMs with 64 doorbells each, and ends and creates VMs as
well.  For 1,000 VMs in 100 processes, for ten minutes:

    tests/preload/test_many_processes.py build/tools/belfry \\
        build/tests/preload/testvmm 100 10 600

Exits 77 if the machine has no KVM, or the build has a sanitizer: a sanitized
library cannot be preloaded.
"""
import os
import re
import statistics
import subprocess
import sys
import unittest

from belfry_test import BELFRY, HAVE_KVM, SANITIZED, TESTVMM

PROCESSES, VMS, SECONDS = (
    int(sys.argv[at]) if len(sys.argv) > at else otherwise
    for at, otherwise in ((3, 4), (4, 3), (5, 4)))

LINE = re.compile(r"(\d+) changes, (\d+) KiB, (\d+) fds, p50 (\d+) ns,"
                  r" p99 (\d+) ns")

# The growth that the C library's heap may have beside other threads, in KiB.
SLACK = 256


def periods(text):
    return [tuple(map(int, LINE.fullmatch(line).groups()))
            for line in text.splitlines()]


class ManyProcesses(unittest.TestCase):
    def start(self):
        env = dict(os.environ, TESTVMM_VMS=str(VMS),
                   TESTVMM_SECONDS=str(SECONDS))
        return subprocess.Popen([BELFRY, "run", "--quiet", "--", TESTVMM,
                                 "level"], env=env, text=True,
                                stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE)

    def end(self, process):
        out, err = process.communicate(timeout=SECONDS + 300)
        self.assertEqual((process.returncode, err), (0, ""))
        return periods(out)

    def test_level(self):
        processes = [self.start() for _ in range(PROCESSES)]
        results = [self.end(process) for process in processes]
        for number, columns in enumerate(zip(*results)):
            changes, memory, fds, p50, p99 = zip(*columns)
            print(f"period {number + 1}: {sum(changes)} changes,"
                  f" {max(memory)} KiB, {max(fds)} fds at most; medians of"
                  f" p50 {statistics.median(p50):.0f} ns,"
                  f" p99 {statistics.median(p99):.0f} ns", file=sys.stderr)
        for result in results:
            self.assertEqual(len(result), 4)
            _, second, _, last = result
            self.assertLessEqual(last[1], second[1] + SLACK, result)
            self.assertEqual(last[2], second[2], result)
        self.assertLess(
            statistics.median(result[3][3] for result in results),
            2 * statistics.median(result[1][3] for result in results))


if __name__ == "__main__":
    if not HAVE_KVM or SANITIZED:
        print("skipped: it needs /dev/kvm and a build without sanitizer")
        sys.exit(77)
    unittest.main(argv=sys.argv[:1])
