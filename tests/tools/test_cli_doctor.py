#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""belfry doctor, with KVM and without.

usage: test_cli_doctor.py BELFRY

The commands are files that this test writes: an ELF header is all of a program
that belfry doctor reads.
"""
import json
import os
import platform
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True  # keep the source tree clean
from namespaces import (EMPTY_DEV, HAVE_KVM, HAVE_NODE, can_cover, run,
                        run_covered)

BELFRY = str(Path(sys.argv[1]).resolve())

GLIBC = "/lib64/ld-linux-x86-64.so.2"
MUSL = "/lib/ld-musl-x86_64.so.1"
X86_64, AARCH64 = 62, 183
PT_LOAD, PT_INTERP = 1, 3

# A module that the kernel does not have, below a new /sys/module.
FAKE_MODULE = """mount -t tmpfs none /sys/module &&
mkdir -p /sys/module/belfry/parameters /sys/module/belfry/counters &&
cd /sys/module/belfry && echo {state} >parameters/state &&
echo {enabled} >parameters/enabled && echo promote >parameters/method &&
echo 12 >counters/registrations && cd /"""


def elf(loader=None, machine=X86_64, bits=64):
    """A file that begins as a program does."""
    start = b"\x7fELF" + bytes([bits // 32, 1, 1]) + bytes(9)
    name = loader.encode() + b"\0" if loader else b""
    header = start + struct.pack("<HHIQQQIHHHHHH", 3, machine, 1, 0, 64, 0, 0,
                                 64, 56, 2 if loader else 1, 0, 0, 0)
    segments = struct.pack("<IIQQQQQQ", PT_LOAD, 5, 0, 0, 0, 0, 0, 4096)
    if loader:
        segments += struct.pack("<IIQQQQQQ", PT_INTERP, 4, 64 + 2 * 56, 0, 0,
                                len(name), len(name), 1)
    return header + segments + name


def doctor(*args, **options):
    return run(BELFRY, "doctor", *args, **options)


def waits():
    """Whether a call waits on this kernel: since 6.18 all are known to."""
    return HAVE_KVM and not Path("/sys/module/belfry").exists()


@unittest.skipUnless(HAVE_KVM, "no /dev/kvm")
class Machine(unittest.TestCase):
    def test_json(self):
        done = doctor("--json")
        self.assertEqual(done.stderr, "")
        found = json.loads(done.stdout)
        machine = found["machine"]
        self.assertEqual(machine["release"], platform.release())
        self.assertIn(machine["hz"], [100, 250, 300, 1000])
        self.assertIsNone(found["command"])
        for name in ("registration_us", "change_us",
                     "change_after_registration_us", "belfry_registration_us",
                     "belfry_change_after_registration_us"):
            self.assertGreater(machine["costs"][name], 0)
        self.assertEqual(found["gain"], machine["problem"] != "none")
        self.assertEqual(done.returncode, 1 if found["gain"] else 0)

    @unittest.skipUnless(waits(), "the kernel module may end the stall")
    def test_remedies(self):
        found = json.loads(doctor("--json").stdout)
        names = [remedy["remedy"] for remedy in found["remedies"]]
        if found["machine"]["problem"] == "stall":
            self.assertEqual(sorted(names), ["library", "module", "run"])
            costs = found["machine"]["costs"]
            self.assertGreater(costs["change_after_registration_us"],
                               3 * costs["change_us"])
        obstacles = [remedy["obstacle"] for remedy in found["remedies"]]
        self.assertEqual(obstacles, sorted(obstacles, key=bool))
        for remedy in found["remedies"]:
            self.assertGreater(remedy["saves_us"], 0)

    def test_text(self):
        done = doctor()
        self.assertIn(platform.release(), done.stdout)
        self.assertIn("kernel module   not loaded", done.stdout)
        self.assertIn("\nResult: ", done.stdout)

    def test_rcu_normal(self):
        mount = 'echo 1 >"$0" && mount --bind "$0" /sys/kernel/rcu_normal'
        if not can_cover(mount):
            self.skipTest("no mount namespace for another rcu_normal")
        found = json.loads(run_covered(mount, BELFRY, "doctor",
                                       "--json").stdout)
        self.assertTrue(found["machine"]["rcu_normal"])
        self.assertEqual("rcu_normal" in found["result"], not found["gain"])
        self.assertRegex(found["machine"]["module_obstacle"],
                         "rcu_normal|before Linux 6.18")
        text = run_covered(mount, BELFRY, "doctor").stdout
        self.assertRegex(text, "kernel  .*, rcu_normal\n")

    def test_busy(self):
        cpus = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {min(cpus)})  # the children inherit it
        loops = [subprocess.Popen(["sh", "-c", "while :; do :; done"])
                 for _ in range(8)]
        try:
            text = doctor().stdout
            found = json.loads(doctor("--json").stdout)
        finally:
            for loop in loops:
                loop.kill()
                loop.wait()
            os.sched_setaffinity(0, cpus)
        self.assertIn("the measurement waited", text)
        self.assertTrue(found["machine"]["busy"])

    def module(self, **values):
        mount = FAKE_MODULE.format(**values)
        if not can_cover(mount):
            self.skipTest("no mount namespace for a module that is not there")
        done = run_covered(mount, BELFRY, "doctor", "--json")
        found = json.loads(done.stdout)
        self.assertEqual(found["machine"]["module"]["registrations"], 12)
        return {remedy["remedy"]: remedy for remedy in found["remedies"]}, \
            found["machine"]["problem"]

    def test_module_is_off(self):
        remedies, problem = self.module(state="active", enabled="N")
        if problem == "stall":
            self.assertIsNone(remedies["module"]["obstacle"])
            self.assertIn("parameters/enabled", remedies["module"]["action"])

    def test_module_without_effect(self):
        remedies, problem = self.module(state="active", enabled="Y")
        if problem == "stall":
            self.assertIn("still waits", remedies["module"]["obstacle"])

    def test_module_that_waits(self):
        remedies, problem = self.module(state="waiting for kvm", enabled="Y")
        if problem == "stall":
            self.assertEqual(remedies["module"]["obstacle"],
                             "waiting for kvm")


@unittest.skipUnless(HAVE_KVM, "no /dev/kvm")
class Commands(unittest.TestCase):
    def setUp(self):
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.env = dict(os.environ,
                        PATH=f"{self.folder}:{os.environ['PATH']}")
        self.env.pop("LD_PRELOAD", None)
        self.write("qemu-system-x86_64", elf(GLIBC))

    def write(self, name, content, mode=0o755):
        path = self.folder / name
        path.write_bytes(content)
        path.chmod(mode)
        return path

    def examine(self, *words, **env):
        self.done = doctor("--json", "--", *words, env={**self.env, **env})
        return json.loads(self.done.stdout)

    def command(self, *words, **env):
        return self.examine(*words, **env)["command"]

    def check_obstacle(self, words, *command):
        found = self.examine(*command)
        self.assertIn(words, found["command"]["run_obstacle"])
        for remedy in found["remedies"]:
            if remedy["remedy"] == "run":
                self.assertEqual(remedy["obstacle"],
                                 found["command"]["run_obstacle"])

    def test_dynamic(self):
        found = self.command("qemu-system-x86_64", "-enable-kvm")
        self.assertEqual(found["linkage"], "dynamic")
        self.assertEqual(found["vmm"], "QEMU")
        self.assertEqual(found["program"],
                         str((self.folder / "qemu-system-x86_64").resolve()))
        self.assertIsNone(found["run_obstacle"])

    def test_programs_that_cannot_be_preloaded(self):
        self.write("static", elf())
        self.write("musl", elf(MUSL))
        self.write("arm", elf(GLIBC, machine=AARCH64))
        self.write("old", elf(GLIBC, bits=32))
        self.check_obstacle("statically", "static")
        self.check_obstacle("C library", "musl")
        self.check_obstacle("architecture", "arm")
        self.check_obstacle("architecture", "old")
        self.check_obstacle("env -i", "env", "-i", "qemu-system-x86_64")

    def test_privileged(self):
        program = self.write("suid", elf(GLIBC), mode=0o755)
        if os.getuid():
            self.skipTest("only root can make a program of another user")
        os.chown(program, 1, 1)
        program.chmod(0o4755)
        self.check_obstacle("set-user-ID", str(program))

    def test_script(self):
        self.write("firecracker", elf())
        self.write("start", b"#!/bin/sh\nexec firecracker --no-seccomp\n")
        found = self.command("start")
        self.assertTrue(found["script"])
        self.assertEqual(found["vmm"], "Firecracker")
        self.assertEqual(found["linkage"], "static")
        self.assertIsNone(found["sandbox"])

    def test_script_without_vmm(self):
        self.write("start", b"#!/bin/sh\nexec something\n")
        found = self.command("start")
        self.assertIsNone(found["vmm"])
        self.assertEqual(found["program"], os.path.realpath("/bin/sh"))

    def test_wrapper(self):
        found = self.command("timeout", "5", "qemu-system-x86_64", "-M",
                             "q35,accel=kvm")
        self.assertEqual(found["vmm"], "QEMU")
        self.assertTrue(found["kvm"])

    def test_accelerator(self):
        for words, kvm in ((["-enable-kvm"], True), (["-accel", "kvm"], True),
                           (["--accel", "accel=kvm"], True),
                           (["-M", "pc,accel=tcg:kvm"], True),
                           (["-readconfig", "file"], True),
                           (["-accel", "tcg"], False), ([], False)):
            found = self.examine("qemu-system-x86_64", *words)
            self.assertEqual(found["command"]["kvm"], kvm, words)
            if not kvm:
                self.assertEqual(self.done.returncode, 0)
                self.assertFalse(found["gain"])

    def test_irqchip(self):
        for words, irqchip in (
                ([], "kernel"), (["-M", "microvm"], "split"),
                (["-machine", "type=microvm,kernel-irqchip=on"], "kernel"),
                (["-M", "q35,kernel_irqchip=split"], "split"),
                (["-accel", "kvm,kernel-irqchip=off"], "user"),
                (["-M", "none"], "unknown")):
            found = self.examine("qemu-system-x86_64", "-enable-kvm", *words)
            self.assertEqual(found["command"]["irqchip"], irqchip, words)
            names = [remedy["remedy"] for remedy in found["remedies"]]
            self.assertEqual("split irqchip" in names, irqchip == "kernel"
                             and found["machine"]["problem"] == "stall")

    def test_queues(self):
        for words, queues in (
                (["-device", "virtio-blk-pci,num-queues=16"], 16),
                (["-device", "virtio-blk-pci", "-smp", "cpus=4"], 4),
                (["-drive", "file=x,if=virtio", "-smp", "2,cores=2"], 2),
                (["-device", '{"driver":"virtio-blk-pci","num-queues":9}'], 9),
                (["-device", "virtio-net-pci,netdev=n", "-netdev",
                  "tap,id=n,queues=8"], 17),
                (["-device", "virtio-scsi-pci,num_queues=3"], 5),
                (["-device", "virtio-serial-pci,max_ports=1"], 4),
                (["-device", "virtio-blk-pci,num-queues=99999"], 1024),
                (["-device", "e1000"], 0)):
            found = self.command("qemu-system-x86_64", *words)
            self.assertEqual(found["queues"], queues, words)
            self.assertEqual(found["descriptors"],
                             17 + 2 * queues if queues else 0)

    def test_sandbox(self):
        found = self.command("qemu-system-x86_64", "-sandbox", "on,spawn=deny")
        self.assertIn("seccomp", found["sandbox"])
        self.write("cloud-hypervisor", elf(GLIBC))
        self.assertIn("seccomp", self.command("cloud-hypervisor")["sandbox"])
        found = self.command("cloud-hypervisor", "--seccomp", "false")
        self.assertIsNone(found["sandbox"])

    def test_preloads(self):
        found = self.command("qemu-system-x86_64",
                             LD_PRELOAD="libnone-a.so:/x/libnone-b.so")
        self.assertEqual(found["preloads"], "libnone-a.so, /x/libnone-b.so")
        self.assertFalse(found["has_belfry"])
        found = self.examine("qemu-system-x86_64", "-enable-kvm",
                             LD_PRELOAD="/none/libbelfry-preload.so")
        self.assertTrue(found["command"]["has_belfry"])
        self.assertFalse(found["gain"])

    def test_text(self):
        done = doctor("qemu-system-x86_64", "-enable-kvm", "-device",
                      "virtio-blk-pci,num-queues=4", env=self.env)
        self.assertIn("about 25 for 4 queues", done.stdout)
        self.assertIn("irqchip         in the kernel", done.stdout)


class WithoutKvm(unittest.TestCase):
    def test_no_device(self):
        if HAVE_NODE and not can_cover(EMPTY_DEV):
            self.skipTest("no mount namespace in which to hide /dev/kvm")
        done = run_covered(EMPTY_DEV, BELFRY, "doctor") if HAVE_NODE else \
            doctor()
        self.assertEqual(done.returncode, 77, done)
        self.assertEqual(done.stdout, "")
        self.assertEqual(len(done.stderr.splitlines()), 1, done)
        self.assertIn("no /dev/kvm: load the kvm", done.stderr)


class Usage(unittest.TestCase):
    def test_no_such_command(self):
        for command in "no-such-command", "/etc/passwd", "":
            done = doctor("--", command)
            self.assertEqual(done.returncode, 2, done)
            self.assertEqual(len(done.stderr.splitlines()), 1, done)

    def test_options_of_the_command_are_its_own(self):
        done = doctor("--json", "no-such-command", "--no-such-option")
        self.assertIn("no-such-command: no such program", done.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
