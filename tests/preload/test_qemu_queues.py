#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The descriptors of a QEMU with many queues, under a limit of 1,024.

usage: test_qemu_queues.py SOURCE_ROOT BUILD_ROOT

Below libvirt a process may open 1,024 descriptors.  A disk of 256 queues takes
half of them.  Under belfry QEMU must start all queues, and open another disk
and plug it in later.

Exits 77 if the machine has no KVM or no QEMU, or the build has a sanitizer: a
sanitized library cannot be preloaded.
"""
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from qemu_test import check, main

LIMIT, QUEUES = 1024, 256
LIBRARY = Path(sys.argv[2], "src/preload/libbelfry-preload.so")
TIMEOUT = 60


def start(folder, library):
    disk = folder / "disk"
    # The boot sector is an endless loop.  The BIOS has started the disk by then.
    disk.write_bytes(b"\xeb\xfe".ljust(510, b"\0") + b"\x55\xaa" +
                     bytes(1 << 20))
    (folder / "later").write_bytes(bytes(1 << 20))
    env = dict(os.environ, BELFRY_PRINT="quiet")
    if library:
        env["LD_PRELOAD"] = str(library)
    return subprocess.Popen(
        ["prlimit", f"--nofile={LIMIT}", "qemu-system-x86_64", "-accel", "kvm",
         "-machine", "q35", "-m", "64", "-display", "none", "-nodefaults",
         "-drive", f"if=none,id=disk,file={disk},format=raw",
         "-device", f"virtio-blk-pci,drive=disk,num-queues={QUEUES}",
         "-device", "pcie-root-port,id=root,slot=3",
         "-qmp", f"unix:{folder}/qmp,server=on,wait=off"],
        env=env, stderr=subprocess.DEVNULL)


def count_fds(qemu):
    return len(os.listdir(f"/proc/{qemu.pid}/fd"))


def wait_for_queues(qemu):
    """Until each queue has its eventfds, and the number stays for a second."""
    deadline, before = time.monotonic() + TIMEOUT, 0
    while time.monotonic() < deadline and qemu.poll() is None:
        now = count_fds(qemu)
        if now == before and now > QUEUES:
            return now
        before = now
        time.sleep(1)
    return before


def connect(folder):
    monitor = socket.socket(socket.AF_UNIX)
    monitor.settimeout(TIMEOUT)
    monitor.connect(str(folder / "qmp"))
    return monitor.makefile("rw")


def call(monitor, name, **arguments):
    """Returns whether the command succeeded."""
    monitor.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
    monitor.flush()
    for line in monitor:
        answer = json.loads(line)
        if "return" in answer or "error" in answer:
            return "return" in answer
    return False


def plug_in(folder, what):
    with connect(folder) as monitor:
        monitor.readline()
        call(monitor, "qmp_capabilities")
        check(call(monitor, "blockdev-add", driver="raw",
                   file={"driver": "file", "filename": f"{folder}/later"},
                   **{"node-name": "later"}), f"{what}: opens another disk")
        check(call(monitor, "device_add", driver="virtio-blk-pci",
                   drive="later", bus="root"), f"{what}: plugs it in")
        call(monitor, "quit")


def count_of_run(library, what):
    with tempfile.TemporaryDirectory(prefix="belfry-test-") as name:
        folder = Path(name)
        with start(folder, library) as qemu:
            try:
                count = wait_for_queues(qemu)
                plug_in(folder, what)
                check(qemu.wait(TIMEOUT) == 0, f"{what}: ends")
            finally:
                qemu.kill()
    return count


def test():
    plain = count_of_run(None, "plain")
    under = count_of_run(LIBRARY, "under belfry")
    check(plain > 2 * QUEUES, f"plain: {plain} descriptors")
    check(plain < under <= 1.3 * plain, f"under belfry: {under}")
    check(under < LIMIT * 3 / 4, "a quarter of the limit is left")


if __name__ == "__main__":
    sys.exit(main(test))
