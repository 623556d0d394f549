#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""An unmodified QEMU does the same under belfry, whatever it emulates.

usage: test_qemu_boots.py SOURCE BUILD MACHINE

Boots a machine once for each way of running it and once for each choice of
disks; with BELFRY_QEMU_ALL in the environment, once for each pair of them.
Exits 77 where the machine has no KVM or no QEMU, and for a sanitized build,
whose library cannot be preloaded.
"""
import os
import sys

sys.dont_write_bytecode = True  # the source tree stays as it is

import qemu_test  # first: it knows where the next one is
import qemu_boot
from qemu_boot import Disks
from qemu_test import check

MODES = {
    "plain": ["--plain"],
    "lazy": [],
    "lazy, soon": ["--rings", "3", "--quiet-ms", "1"],
    "first-run": ["--policy", "first-run"],
    "never": ["--policy", "never"],
    "eager": ["--policy", "eager"],
}
DISKS = {
    "1 queue": Disks(),
    "4 queues": Disks(queues=4),
    "16 queues": Disks(queues=16),
    "scsi": Disks("virtio-scsi"),
    "8 drives": Disks(drives=8),
    "sandbox": Disks(queues=4, more=[
        "-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,"
                    "resourcecontrol=deny"]),
}


def pairs(machine):
    """Each mode and all disks once; each machine pairs them differently."""
    modes, disks = list(MODES), list(DISKS)
    if os.environ.get("BELFRY_QEMU_ALL"):
        return [(mode, disk) for disk in disks for mode in modes]
    first = list(qemu_boot.MACHINES).index(machine)
    return [(mode, disks[(n + first) % len(disks)])
            for n, mode in enumerate(modes)]


def check_doorbells(run, mode, disks, name):
    """Who the doorbells' answers came from, and where those left ring."""
    row = "doorbells assigned"
    assigned = run.value(row)
    gone = run.peer(row, "never known to the kernel")
    installed = run.peer(row, "installed")
    rings = run.value("rings in user space")
    told = f"{installed} of {assigned} installed, {gone} gone before that," \
           f" {rings} rings in user space"
    if mode == "plain":
        check(assigned == 0 == rings, f"{name}: belfry answers for none")
        return
    check(assigned - gone >= disks.drives * disks.queues,
          f"{name}: one at least for each queue: {told}")
    check(run.peer(row, "refused") == 0, f"{name}: none refused")
    if mode == "eager":
        check(installed == assigned, f"{name}: {told}")
    elif mode == "first-run":
        check(installed == assigned - gone, f"{name}: {told}")
    elif mode == "never":
        check(installed == 0 < rings, f"{name}: {told}")
    elif mode == "lazy, soon":
        check(0 < installed <= assigned - gone and rings > 0,
              f"{name}: {told}")
    else:
        check(installed <= assigned - gone and rings > 0, f"{name}: {told}")


def boot(build, mode, machine, disks):
    """Once; some times where a busy machine may keep the helper from work."""
    for _ in range(5):
        run = qemu_boot.boot(build, MODES[mode], machine, disks)
        if mode != "lazy, soon" or run.peer("doorbells assigned",
                                            "installed"):
            break
    return run


def boot_all(build, machine):
    alone = qemu_boot.boot(build, None, machine)
    check(alone.status == qemu_boot.STATUS_SUM_IS_RIGHT,
          f"{machine}, alone: reads its disk right: {alone.status}")
    for mode, choice in pairs(machine):
        disks = DISKS[choice]
        name = f"{machine}, {choice}, {mode}"
        run = boot(build, mode, machine, disks)
        check(run.status == disks.status(),
              f"{name}: reads its disks right: {run.status}")
        check(run.stderr == alone.stderr,
              f"{name}: says what it says alone: {run.stderr!r}")
        check(run.value("VMs left to themselves") == 0,
              f"{name}: not left to itself")
        check_doorbells(run, mode, disks, name)


if __name__ == "__main__":
    sys.exit(qemu_test.main(lambda: boot_all(sys.argv[2], sys.argv[3])))
