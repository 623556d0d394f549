# SPDX-License-Identifier: MIT
"""Boot the disk of guests/boot in QEMU, with and without belfry.

The demonstration and a test use this.
"""
import fcntl
import json
import os
import platform
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from statistics import median

IS_ARM64 = platform.machine() == "aarch64"
QEMU = "qemu-system-aarch64" if IS_ARM64 else "qemu-system-x86_64"
MACHINE = "virt" if IS_ARM64 else "microvm"
FIRMWARE = [
    Path("/usr/share/seabios/bios-microvm.bin"),
    Path("/usr/share/qemu/bios-microvm.bin"),
]
KVM_GET_API_VERSION = 0xAE00

# The boot sector exits through isa-debug-exit with this status if it has read
# one drive right: 0x10 * 2 + 1.  For two drives it is 0x11 * 2 + 1, and so on.
STATUS_SUM_IS_RIGHT = 33

# What the guest of aarch64 says on its serial line, before it turns itself off.
SECTORS_ARE_RIGHT = "32 sectors are right\n"

# In seconds.  A run takes 3 s on an idle machine.
TIMEOUT = 120

# Calls that wait in the kernel for the grace period that a doorbell or a zone
# leaves behind.
BEHIND_DOORBELLS = [
    "KVM_IOEVENTFD (assign)",
    "KVM_IOEVENTFD (deassign)",
    "KVM_SET_USER_MEMORY_REGION",
    "KVM_REGISTER_COALESCED_MMIO",
    "KVM_UNREGISTER_COALESCED_MMIO",
    "KVM_X86_SET_MSR_FILTER",
    "installs before KVM_RUN",
    "close(vm)",
]


class BootFailed(Exception):
    """A boot cannot be measured; the text is one line."""


def missing():
    """Name a thing that this machine lacks; None if it has all."""
    if not shutil.which(QEMU):
        return f"no {QEMU}"
    if not IS_ARM64 and not firmware():
        return "no bios-microvm.bin of SeaBIOS"
    try:
        fd = os.open("/dev/kvm", os.O_RDWR)
    except OSError as error:
        return f"/dev/kvm: {error.strerror}"
    try:
        fcntl.ioctl(fd, KVM_GET_API_VERSION)
    except OSError as error:
        return f"/dev/kvm: {error.strerror}"
    finally:
        os.close(fd)
    return None


def firmware():
    return next((path for path in FIRMWARE if path.exists()), None)


# Of x86-64.
MACHINES = {
    "microvm": ["-M", "microvm", "-bios", str(firmware())],
    "pc": ["-M", "pc"],
    "q35": ["-M", "q35"],
    "q35-split": ["-M", "q35,kernel-irqchip=split"],
}


class Disks:
    """The disks of a machine; all have the same contents."""

    def __init__(self, device="virtio-blk", drives=1, queues=1, more=()):
        self.device = device
        self.drives = drives
        self.queues = queues
        self.more = list(more)

    def arguments(self, machine, image):
        bus = "device" if machine == MACHINE else "pci"
        arguments = list(self.more)
        if self.device == "virtio-scsi":
            arguments += ["-device", f"virtio-scsi-{bus}"]
        for n in range(self.drives):
            front = "scsi-hd" if self.device == "virtio-scsi" else \
                f"virtio-blk-{bus},num-queues={self.queues}"
            arguments += ["-drive", f"id=disk{n},file={image},format=raw,"
                          "if=none,readonly=on",
                          "-device", f"{front},drive=disk{n}"]
        return arguments

    def status(self):
        return STATUS_SUM_IS_RIGHT + 2 * (self.drives - 1)


ONE_DISK = Disks()


def machine_arguments(image, machine):
    """The machine, and the device by which its guest tells the result."""
    if IS_ARM64:
        return ["-M", machine, "-cpu", "host", "-kernel", image,
                "-serial", "stdio"]
    return [*MACHINES[machine], "-device", "isa-debug-exit,iobase=0xf4,iosize=4"]


def qemu_command(image, machine=MACHINE, disks=ONE_DISK):
    return [
        QEMU, "-accel", "kvm", *machine_arguments(image, machine),
        "-m", "64", "-nodefaults", "-no-user-config", "-no-reboot",
        "-display", "none", *disks.arguments(machine, image),
    ]


class Run:
    """A boot: its exit status, output, and the rows of belfry by name."""

    def __init__(self, status, stdout, stderr, rows):
        self.status = status
        self.stdout = stdout
        self.stderr = stderr
        try:
            self.rows = {row["name"]: row for row in rows}
        except (KeyError, TypeError):
            raise BootFailed("the result of belfry run is not an array of rows"
                             ) from None

    def disk_is_right(self):
        """True if the guest has read its one drive right."""
        if IS_ARM64:
            return self.status == 0 and self.stdout == SECTORS_ARE_RIGHT
        return self.status == STATUS_SUM_IS_RIGHT

    def find(self, *keys):
        found = self.rows
        try:
            for key in keys:
                found = found[key]
        except (KeyError, TypeError):
            raise BootFailed("the result of belfry run lacks "
                             + ": ".join(keys)) from None
        return found

    def value(self, name):
        return self.find(name, "value")

    def peer(self, name, peer):
        return self.find(name, "peers", peer)

    def stalls(self, name):
        return self.rows.get(name, {}).get("stalls", 0)

    def stalls_behind_doorbells(self):
        return sum(self.stalls(name) for name in BEHIND_DOORBELLS)


def kill_group(process):
    """Kill the process and its children."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def run_to_end(command):
    """Run a command; return its exit status, stdout and stderr."""
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True,
                                   start_new_session=True)
    except OSError as error:
        raise BootFailed(f"cannot start {command[0]}: {error.strerror}"
                         ) from None
    with process:
        try:
            stdout, stderr = process.communicate(timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            kill_group(process)
            raise BootFailed(f"QEMU did not end within {TIMEOUT} s, and was"
                             " killed") from None
        except BaseException:  # Ctrl-C does not reach its process group
            kill_group(process)
            raise
    return process.returncode, stdout, stderr


def read_rows(path, status, stderr):
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        said = stderr.strip().splitlines() or ["nothing"]
        raise BootFailed(f"belfry run wrote no result; its exit status was"
                         f" {status}, and its last message: {said[-1]}"
                         ) from None


def boot(build, mode, machine=MACHINE, disks=ONE_DISK):
    """Boot once.  mode is None for QEMU alone, or options of belfry run."""
    command = qemu_command(str(Path(build, "guests/boot/boot.img")), machine,
                           disks)
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder, "result.json")
        if mode is not None:
            command = [str(Path(build, "tools/belfry")), "run", *mode,
                       "--json", "--output", str(result), "--", *command]
        status, stdout, stderr = run_to_end(command)
        rows = read_rows(result, status, stderr) if mode is not None else []
    return Run(status, stdout, stderr, rows)


def boot_in_turn(build, modes, times):
    """Boot `times` times in each mode; take turns, to share other load."""
    runs = {name: [] for name in modes}
    for _ in range(times):
        for name, mode in modes.items():
            runs[name].append(boot(build, mode))
    return runs


def median_of(runs, read):
    return median(read(run) for run in runs)
