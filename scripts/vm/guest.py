# SPDX-License-Identifier: MIT
"""A guest: an initramfs around a kernel, booted in QEMU without KVM.

The guest reports by lines on its console.  A line "@json {...}" is a result;
a line that reports a fault of the kernel fails the run.
"""
import json
import lzma
import re
import subprocess
import tempfile
import time
from pathlib import Path

from . import shared

FAULTS = re.compile(
    r"\bWARNING: |\bBUG: |\bBUG:|\bOops\b|kernel BUG|KASAN|UBSAN|INFO: task"
    r"|possible circular locking|inconsistent lock state|suspicious RCU"
    r"|general protection fault|Kernel panic|refcount_t|ODEBUG"
    r"|rcu: INFO|detected stall|list_add corruption|list_del corruption"
    r"|soft lockup|hung_task|Call Trace|kmemleak: [1-9]")
RESULT = re.compile(r"@json (\{.*\})")

INIT = """#!/bin/sh
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
mount -t tracefs none /sys/kernel/tracing 2>/dev/null
mount -t tmpfs none /tmp
ulimit -Hn 1048576 # as systemd has it
. /test
echo "@end $?"
poweroff -f
"""


class Initramfs:
    """A cpio archive (newc), written without root and without cpio."""

    def __init__(self):
        self.entries = {}
        for folder in ("bin", "dev", "lib", "lib64", "modules", "proc", "sys",
                       "tmp", "usr", "usr/lib"):
            self.entries[folder] = (0o40755, b"")

    def folder(self, name):
        parts = name.split("/")
        for count in range(1, len(parts) + 1):
            self.entries.setdefault("/".join(parts[:count]), (0o40755, b""))

    def add(self, name, data, mode=0o100755):
        if "/" in name:
            self.folder(name.rsplit("/", 1)[0])
        self.entries[name] = (mode, data)

    def link(self, name, target):
        self.add(name, target.encode(), 0o120777)

    def busybox(self, path, host_path):
        """The guest's; the host's, of the same release, names its applets."""
        self.add("bin/busybox", Path(path).read_bytes())
        applets = subprocess.run([host_path, "--list"], text=True, check=True,
                                 stdout=subprocess.PIPE).stdout.split()
        for applet in set(applets) - {"busybox"}:
            self.link(f"bin/{applet}", "busybox")

    def program(self, path, name=None):
        """A program, with the shared libraries that it names."""
        self.add(name or f"bin/{Path(path).name}", Path(path).read_bytes())
        for library, file in shared.libraries(path):
            self.add(library, file.read_bytes())

    def image(self):
        def entry(number, name, mode, data):
            name = name.encode() + b"\0"
            fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0,
                      len(name), 0)
            head = b"070701" + b"".join(b"%08X" % field for field in fields)
            return pad(head + name) + pad(data)
        return b"".join(
            [entry(number, name, *content) for number, (name, content)
             in enumerate(self.entries.items(), 1)]
            + [entry(0, "TRAILER!!!", 0, b"")])


def pad(data):
    return data + b"\0" * (-len(data) % 4)


def module_data(path):
    data = Path(path).read_bytes()
    return lzma.decompress(data) if str(path).endswith(".xz") else data


def dependencies(data):
    match = re.search(rb"\0depends=([^\0]*)\0", data)
    return [name for name in match[1].decode().split(",")
            if name] if match else []


def load_order(files, names):
    """(name, data) of the modules and all that they depend on, in order."""
    order = {}

    def visit(name):
        if name in order:
            return
        path = files.module(name)
        if not path:  # built in
            return
        data = module_data(path)
        for needed in dependencies(data):
            visit(needed)
        order[name] = data
    for name in names:
        visit(name)
    return list(order.items())


class Run:
    """What a boot left: results, faults of the kernel, the status."""

    def __init__(self, arch, lines, seconds):
        self.arch = arch
        self.lines = lines
        self.seconds = round(seconds, 1)
        self.results = [json.loads(match[1]) for match
                        in map(RESULT.search, lines) if match]
        self.faults = [line for line in lines if FAULTS.search(line)]
        ends = [line for line in lines if "@end " in line]
        self.status = int(ends[-1].split("@end ")[1]) if ends else None


def run_for(timeout, command, console):
    """Run a command with its output in a file; False if it was killed."""
    with open(console, "wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                   stdout=output, stderr=subprocess.STDOUT)
        try:
            process.wait(timeout=timeout)
            return True
        except subprocess.TimeoutExpired:
            return False
        finally:
            process.kill()  # nothing, where it has ended
            process.wait()


def boot(arch, image, initramfs, options="", cpus=1, memory=1024, timeout=300,
         log=None, icount=None):
    """Boot until the guest powers off; killed after timeout seconds.

    With icount the guest's clock counts its instructions, 2^icount ns for each,
    and jumps to the next timer when the guest sleeps.  A loaded host changes no
    result.
    """
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder, "initramfs")
        archive.write_bytes(initramfs.image())
        command = [
            *arch.qemu, "-accel", "tcg,thread=single",
            "-smp", str(cpus), "-m", str(memory),
            "-nodefaults", "-no-user-config", "-no-reboot",
            "-display", "none", "-serial", "stdio", "-monitor", "none",
            "-kernel", str(image), "-initrd", str(archive), "-append",
            f"console={arch.console} loglevel=5 panic=-1 oops=panic "
            f"rdinit=/init {options}",
        ]
        if icount is not None:
            command += ["-icount", f"shift={icount},sleep=off"]
        console = Path(log or Path(folder, "console"))
        start = time.monotonic()
        in_time = run_for(timeout, command, console)
        text = console.read_bytes().decode(errors="replace").replace("\r", "")
    if not in_time:
        text += "\nBUG: the guest did not end in time\n"
    return Run(arch, text.split("\n"), time.monotonic() - start)
