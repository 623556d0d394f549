#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Under belfry an unmodified QEMU must start without stalls behind doorbells.

usage: test_qemu_stalls.py SOURCE BUILD

Exits 77 if the machine has no KVM or no QEMU, or the build has a sanitizer: a
sanitized library cannot be preloaded.
"""
import sys
from statistics import median

sys.dont_write_bytecode = True  # writes nothing to the source tree

import qemu_test  # first: it sets the path of the next one
import qemu_boot
from qemu_test import check

TIMES = 3
IN_TURN = {"plain": ["--plain"], "belfry": []}


def check_disks(runs):
    for mode, of_mode in runs.items():
        for run in of_mode:
            check(run.disk_is_right(), f"{mode}: reads its disk right: status"
                  f" {run.status}, {run.stdout!r}")


def removals(runs):
    return [run.stalls("KVM_IOEVENTFD (deassign)") for run in runs]


def behind(runs):
    return [run.stalls_behind_doorbells() for run in runs]


def has_no_stalls(runs):
    """True if most removals did not stall, and one run had no stall at all.

    A stall that belfry must avoid would occur in every run, noise would not.
    """
    return median(removals(runs)) == 0 and min(behind(runs)) == 0


def check_stalls(build, runs):
    """On a busy machine any call may stall, so a failure is checked again."""
    if not median(removals(runs["plain"])):
        print("this kernel does not stall: nothing to compare")
        return
    if not has_no_stalls(runs["belfry"]):
        more = qemu_boot.boot_in_turn(build, IN_TURN, TIMES)
        for mode, of_mode in more.items():
            runs[mode] += of_mode
    for mode in IN_TURN:
        print(f"{mode}: stalls in removals {removals(runs[mode])},"
              f" in all behind doorbells {behind(runs[mode])}")
    check(median(removals(runs["belfry"])) == 0,
          "belfry: removals do not stall")
    check(min(behind(runs["belfry"])) == 0,
          "belfry: no other call stalls behind doorbells")


def compare(build):
    runs = qemu_boot.boot_in_turn(build, IN_TURN, TIMES)
    check_disks(runs)
    check_stalls(build, runs)


if __name__ == "__main__":
    sys.exit(qemu_test.main(lambda: compare(sys.argv[2])))
