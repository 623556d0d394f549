#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""An unmodified QEMU must do the same under belfry as alone.

usage: test_qemu_boots.py SOURCE BUILD MACHINE

Boots a machine once for each mode of belfry and once for each choice of disks;
with BELFRY_QEMU_ALL in the environment, once for each pair.  Exits 77 if the
machine has no KVM or no QEMU, or the build has a sanitizer: a sanitized
library cannot be preloaded.
"""
import os
import sys

sys.dont_write_bytecode = True  # writes nothing to the source tree

import qemu_test  # first: it sets the path of the next one
import qemu_boot
from qemu_boot import Disks
from qemu_test import check

MODES = {
    "plain": ["--plain"],
    "lazy": [],
    "lazy, soon": ["--install-after", "3", "--quiet-ms", "1"],
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
    """Each mode and each choice once; each machine pairs them differently."""
    modes, disks = list(MODES), list(DISKS)
    if os.environ.get("BELFRY_QEMU_ALL"):
        return [(mode, disk) for disk in disks for mode in modes]
    first = list(qemu_boot.MACHINES).index(machine)
    return [(mode, disks[(n + first) % len(disks)])
            for n, mode in enumerate(modes)]


def check_doorbells(run, mode, disks, name):
    """Checks the number of installs, and of signals in user space."""
    row = "doorbells assigned"
    assigned = run.value(row)
    gone = run.peer(row, "never installed")
    installed = run.peer(row, "installed")
    signals = run.value("signals in user space")
    counts = f"{installed} of {assigned} installed, {gone} gone before that," \
           f" {signals} signals in user space"
    if mode == "plain":
        check(assigned == 0 == signals, f"{name}: belfry answers for none")
        return
    # QEMU 10 removes those of the guest when it ends, too.
    check(assigned >= disks.drives * disks.queues,
          f"{name}: one at least for each queue: {counts}")
    check(run.peer(row, "refused") == 0, f"{name}: none refused")
    if mode == "eager":
        check(installed == assigned, f"{name}: {counts}")
    elif mode == "first-run":
        check(installed == assigned - gone, f"{name}: {counts}")
    elif mode == "never":
        check(installed == 0 < signals, f"{name}: {counts}")
    elif mode == "lazy, soon":
        check(0 < installed <= assigned - gone and signals > 0,
              f"{name}: {counts}")
    else:
        check(installed <= assigned - gone and signals > 0,
              f"{name}: {counts}")


def boot(build, mode, machine, disks):
    """Boots again if a busy machine kept the helper thread from running."""
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
        check(run.value("VMs passed through") == 0,
              f"{name}: no VM passed through")
        check_doorbells(run, mode, disks, name)


if __name__ == "__main__":
    sys.exit(qemu_test.main(lambda: boot_all(sys.argv[2], sys.argv[3])))
