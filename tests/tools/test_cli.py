#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Options, exit statuses and messages that all commands have in common.

usage: test_cli.py BELFRY INJECT_EXTRA_SIGNAL INJECT_REFUSED_REGISTERS
"""
import os
import subprocess
import sys
import unittest
from pathlib import Path

BELFRY, INJECT_EXTRA_SIGNAL, INJECT_REFUSED_REGISTERS = sys.argv[1:4]
HAVE_KVM = os.access("/dev/kvm", os.R_OK | os.W_OK)
SANITIZED = bool(os.environ.get("BELFRY_SANITIZED"))

# Commands as words; options follow the last word.
LAYERS = ["io_bus", "memslots", "srcu", "vcpus"]
BENCHMARKS = [["bench", layer] for layer in LAYERS]
TORTURES = [["torture", layer] for layer in LAYERS]
COMMANDS = BENCHMARKS + TORTURES + [["doctor"], ["doorbell"], ["run"],
                                    ["stall"]]


def belfry(*args, **kwargs):
    kwargs.setdefault("stdout", subprocess.PIPE)
    return subprocess.run([BELFRY, *args], stdin=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True, timeout=60,
                          check=False, **kwargs)


class Common(unittest.TestCase):
    def check_line(self, done, status, word=""):
        """The command must fail and print one line with the word."""
        self.assertEqual(done.returncode, status, done)
        self.assertEqual(len(done.stderr.splitlines()), 1, done)
        self.assertTrue(done.stderr.startswith("belfry"), done)
        self.assertIn(word, done.stderr)


class HelpAndVersion(Common):
    def check_version(self, *args):
        done = belfry(*args)
        self.assertEqual(done.returncode, 0, done)
        self.assertRegex(done.stdout, r"\Abelfry \d+\.\d+\.\d+\n\Z")
        self.assertEqual(done.stderr, "")

    def test_version(self):
        self.check_version("--version")
        for layered in "bench", "torture":
            self.check_version(layered, "--version")
        for command in COMMANDS:
            self.check_version(*command, "--version")
            self.check_version(*command, "--json", "--version")
            self.check_version(*command, "--json", "-V")

    def test_help(self):
        for layered in "bench", "torture":
            self.assertEqual(belfry(layered, "--help").returncode, 0)
        for command in COMMANDS:
            done = belfry(*command, "--json", "--help")
            self.assertEqual(done.returncode, 0, done)
            self.assertIn(f"usage: belfry {' '.join(command)}", done.stdout)
            self.assertEqual(done.stderr, "")


class Usage(Common):
    def check_usage(self, word, *args):
        done = belfry(*args)
        self.check_line(done, 2, word)
        self.assertEqual(done.stdout, "")

    def test_bad_layers(self):
        for layered in "bench", "torture":
            self.check_usage("no layer given: " + ", ".join(LAYERS), layered)
            self.check_usage("'tea'", layered, "tea")
            self.check_usage("'--json'", layered, "--json", "srcu")

    def test_bad_options(self):
        for command in COMMANDS:
            self.check_usage("--no-such-option", *command,
                             "--no-such-option")
            self.check_usage("'-x'", *command, "-x")
            self.check_usage("--json", *command, "--json=x")
            self.check_usage("'-x'", *command, "--json", "-xV")
        for command in BENCHMARKS + TORTURES + [["stall"]]:
            self.check_usage("'now'", *command, "now")
            self.check_usage("'now'", *command, "--json", "now")

    def test_bad_numbers(self):
        self.check_numbers(["stall"], "--count", "100001")
        for torture in TORTURES:
            self.check_numbers(torture, "--seconds", "1000001")
            self.check_numbers(torture, "--watchdog", "1000001")
            self.check_usage("'many'", *torture, "--seed", "many")
        self.check_numbers(["torture", "io_bus"], "--dispatchers", "65")
        self.check_numbers(["torture", "io_bus"], "--changers", "65")
        for layer in "memslots", "srcu", "vcpus":
            self.check_numbers(["torture", layer], "--readers", "65")
            self.check_numbers(["torture", layer], "--writers", "65")

    def check_numbers(self, command, option, too_many):
        self.check_usage(option, *command, option)
        for bad in "0", "-1", "", "2x", "many", too_many, "9" * 30:
            self.check_usage(f"'{bad}'", *command, option, bad)


@unittest.skipIf(SANITIZED, "a sanitizer must be the first library")
class Faults(Common):
    def doorbell(self, library, engine):
        env = dict(os.environ, LD_PRELOAD=str(Path(library).resolve()))
        done = belfry("doorbell", "--engine", engine, "--count", "3", env=env)
        self.assertEqual(done.returncode, 1, done)
        return done

    @unittest.skipUnless(HAVE_KVM, "no /dev/kvm")
    def test_refused_registers_are_named(self):
        done = self.doorbell(INJECT_REFUSED_REGISTERS, "kvm")
        self.check_line(done, 1, "KVM refuses the registers")

    def test_extra_signal_is_detected(self):
        done = self.doorbell(INJECT_EXTRA_SIGNAL, "trap")
        self.assertEqual(done.stdout, "")
        self.assertRegex(done.stderr.splitlines()[-1],
                         r"\Abelfry doorbell: .*: 3 signals, [4-9] arrived\Z")


class Writing(Common):
    """A command fails if its output cannot be written."""

    def check_full(self, *args):
        with open("/dev/full", "w", encoding="ascii") as full:
            done = belfry(*args, stdout=full)
        self.check_line(done, 1, "No space left on device")

    def test_full_disk_help(self):
        self.check_full("--help")
        self.check_full("--version")
        for command in COMMANDS:
            self.check_full(*command, "--help")

    def test_full_disk_results(self):
        with open("/dev/full", "w", encoding="ascii") as full:
            done = belfry("doorbell", "--engine", "trap", "--count", "3",
                          "--json", stdout=full)
        self.assertEqual(done.returncode, 1)
        self.assertIn("No space left on device", done.stderr)

    def test_closed_stdout(self):
        done = subprocess.run(["sh", "-c", '"$1" --version >&-', "-",
                               BELFRY], stderr=subprocess.PIPE, text=True,
                              timeout=60, check=False)
        self.check_line(done, 1, "Bad file descriptor")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
