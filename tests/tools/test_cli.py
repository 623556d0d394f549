#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What all commands of the tool have in common, as their user meets it.

usage: test_cli.py BELFRY MISCOUNT
"""
import os
import subprocess
import sys
import unittest
from pathlib import Path

BELFRY, MISCOUNT = sys.argv[1:3]
SANITIZED = bool(os.environ.get("BELFRY_SANITIZED"))

# Each with what its options begin after.
LAYERS = ["io_bus", "memslots", "srcu", "vcpus"]
BENCHMARKS = [["bench", layer] for layer in LAYERS]
TORTURES = [["torture", layer] for layer in LAYERS]
COMMANDS = BENCHMARKS + TORTURES + [["doorbell"], ["run"], ["stall"]]


def belfry(*args, **kwargs):
    kwargs.setdefault("stdout", subprocess.PIPE)
    return subprocess.run([BELFRY, *args], stdin=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True, timeout=60,
                          check=False, **kwargs)


class Common(unittest.TestCase):
    def check_line(self, done, status, word=""):
        """That status, with one line that holds the word."""
        self.assertEqual(done.returncode, status, done)
        self.assertEqual(len(done.stderr.splitlines()), 1, done)
        self.assertTrue(done.stderr.startswith("belfry"), done)
        self.assertIn(word, done.stderr)


class Questions(Common):
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

    def test_layer(self):
        for layered in "bench", "torture":
            self.check_usage("no layer given: " + ", ".join(LAYERS), layered)
            self.check_usage("'tea'", layered, "tea")
            self.check_usage("'--json'", layered, "--json", "srcu")

    def test_options(self):
        for command in COMMANDS:
            self.check_usage("--no-such-option", *command,
                             "--no-such-option")
            self.check_usage("'-x'", *command, "-x")
            self.check_usage("--json", *command, "--json=x")
        for command in BENCHMARKS + TORTURES + [["stall"]]:
            self.check_usage("'now'", *command, "now")
            self.check_usage("'now'", *command, "--json", "now")

    def test_numbers(self):
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


@unittest.skipIf(SANITIZED, "nothing can be preloaded before a sanitizer")
class Miscount(Common):
    def test_ring_too_many(self):
        env = dict(os.environ, LD_PRELOAD=str(Path(MISCOUNT).resolve()))
        done = belfry("doorbell", "--engine", "trap", "--count", "3", env=env)
        self.assertEqual(done.returncode, 1, done)
        self.assertEqual(done.stdout, "")
        self.assertRegex(done.stderr.splitlines()[-1],
                         r"\Abelfry doorbell: .*: 3 rings, [4-9] seen\Z")


class Writing(Common):
    """Results that cannot be written are not a success."""

    def check_full(self, *args):
        with open("/dev/full", "w", encoding="ascii") as full:
            done = belfry(*args, stdout=full)
        self.check_line(done, 1, "No space left on device")

    def test_answers(self):
        self.check_full("--help")
        self.check_full("--version")
        for command in COMMANDS:
            self.check_full(*command, "--help")

    def test_results(self):
        with open("/dev/full", "w", encoding="ascii") as full:
            done = belfry("doorbell", "--engine", "trap", "--count", "3",
                          "--json", stdout=full)
        self.assertEqual(done.returncode, 1)
        self.assertIn("No space left on device", done.stderr)

    def test_closed(self):
        done = subprocess.run(["sh", "-c", '"$1" --version >&-', "-",
                               BELFRY], stderr=subprocess.PIPE, text=True,
                              timeout=60, check=False)
        self.check_line(done, 1, "Bad file descriptor")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
