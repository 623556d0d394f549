# SPDX-License-Identifier: MIT
"""The architectures of kernels that scripts/vm-test boots."""


class Arch:
    """Named as Debian does.  The host is amd64 and builds for all."""

    def __init__(self, name, prefix, packages, make, qemu, console, program):
        self.name = name
        self.suffix = "" if name == "amd64" else f":{name}"
        self.compiler = f"{prefix}gcc"
        self.build_packages = packages  # where no headers depend on them
        self.make_options = make
        self.qemu = qemu
        self.console = console
        self.program = program  # what kvmtest has for it alone


AMD64 = Arch(
    "amd64", "", [], [], ["qemu-system-x86_64", "-cpu", "max,+svm"], "ttyS0",
    "kvmtest_x86.c")

ARM64 = Arch(
    "arm64", "aarch64-linux-gnu-", ["gcc-aarch64-linux-gnu"],
    ["ARCH=arm64", "CROSS_COMPILE=aarch64-linux-gnu-"],
    ["qemu-system-aarch64", "-machine", "virt,virtualization=on,"
     "gic-version=3", "-cpu", "max,pauth-impdef=on"], "ttyAMA0",
    "kvmtest_arm64.c")

ARCHES = {arch.name: arch for arch in (AMD64, ARM64)}
