#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""An unmodified QEMU starts under belfry without its stalls.

usage: test_qemu_stalls.py SOURCE BUILD

Exits 77 where the machine has no KVM or no QEMU, and for a sanitized build,
whose library cannot be preloaded.
"""
import sys
from statistics import median

sys.dont_write_bytecode = True  # the source tree stays as it is

import qemu_test  # first: it knows where the next one is
import qemu_boot
from qemu_test import check

TIMES = 3
IN_TURN = {"plain": ["--plain"], "belfry": []}


def check_statuses(runs):
    for mode, of_mode in runs.items():
        statuses = [run.status for run in of_mode]
        check(set(statuses) == {qemu_boot.STATUS_SUM_IS_RIGHT},
              f"{mode}: reads its disk right: statuses {statuses}")


def removals(runs):
    return [run.stalls("KVM_IOEVENTFD (deassign)") for run in runs]


def behind(runs):
    return [run.stalls_behind_doorbells() for run in runs]


def is_free(runs):
    """What stalls always is told from noise by one run without it."""
    return median(removals(runs)) == 0 and min(behind(runs)) == 0


def check_stalls(build, runs):
    """A busy machine stalls whatever waits: then look once more."""
    if not median(removals(runs["plain"])):
        print("this kernel does not stall: nothing to compare")
        return
    if not is_free(runs["belfry"]):
        more = qemu_boot.boot_in_turn(build, IN_TURN, TIMES)
        for mode, of_mode in more.items():
            runs[mode] += of_mode
    for mode in IN_TURN:
        print(f"{mode}: stalls in removals {removals(runs[mode])},"
              f" in all behind doorbells {behind(runs[mode])}")
    check(median(removals(runs["belfry"])) == 0,
          "belfry: removals do not stall, as they do without it")
    check(min(behind(runs["belfry"])) == 0,
          "belfry: nor does what else waits behind doorbells")


def compare(build):
    runs = qemu_boot.boot_in_turn(build, IN_TURN, TIMES)
    check_statuses(runs)
    check_stalls(build, runs)


if __name__ == "__main__":
    sys.exit(qemu_test.main(lambda: compare(sys.argv[2])))
