#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests of belfry compare.

usage: test_compare.py BELFRY TESTVMM
"""
import json
import os
import subprocess
import sys
import unittest
from pathlib import Path

sys.dont_write_bytecode = True  # writes nothing to the source tree
from belfry_test import (BELFRY, HAVE_KVM, SANITIZED, TESTVMM, BelfryTest,
                         belfry)


class Usage(BelfryTest):
    def test_bad_arguments(self):
        self.check_line(2, "compare")
        self.check_line(2, "compare", "-n", "0", "true")
        self.check_line(2, "compare", "-n")
        self.check_line(2, "compare", "--policy", "no-such-policy", "true")
        self.check_line(2, "compare", "--install-after", "0", "true")
        self.check_line(2, "compare", "--quiet-ms", "x", "true")
        self.check_line(2, "compare", "--zones", "never", "true")
        self.check_line(2, "compare", "--goal", "0", "true")
        self.check_line(2, "compare", "--goal", "0.5x", "true")

    def test_help(self):
        done = belfry("compare", "--help", text=True)
        self.assertEqual(done.returncode, 0)
        self.assertIn("belfry compare", done.stdout)


@unittest.skipIf(SANITIZED, "a sanitized library cannot be preloaded")
class WithoutKvm(BelfryTest):
    def test_equal_runs(self):
        done = belfry("compare", "-n", "2", "--json", "--", "sh", "-c",
                      "echo said; exit 7", text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        rows = {row["name"]: row for row in json.loads(done.stdout)}
        self.assertNotIn("start to first KVM_RUN", rows)
        exit_row = rows["exec to exit"]
        self.assertEqual(exit_row["unit"], "ms")
        for mode in "plain", "belfry":
            self.assertGreater(exit_row[mode], 0)
            self.assertLessEqual(exit_row[mode + "_min"], exit_row[mode])
            self.assertGreaterEqual(exit_row[mode + "_max"], exit_row[mode])
        self.assertNotIn("goal", exit_row)
        for cause in "doorbells and zones", "the irqchip alone", "neither":
            row = rows["stalled behind " + cause]
            self.assertEqual((row["plain"], row["belfry"]), (0, 0))

    def test_show_output(self):
        done = belfry("compare", "-n", "3", "--show-output", "echo", "said",
                      text=True)
        self.assertEqual(done.stderr, "said\n" * 6)
        self.assertNotIn("said", done.stdout)

    def test_different_statuses_fail(self):
        done = belfry("compare", "sh", "-c", '[ "$BELFRY_POLICY" = plain ]',
                      text=True)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stdout, "")
        self.assertEqual(done.stderr, "belfry compare: exit statuses differ:"
                         " plain ended with 0, lazy with 1\n")

    def test_settings_reach_the_command(self):
        done = belfry("compare", "-n", "1", "--policy", "never",
                      "--install-after", "7", "--quiet-ms", "8",
                      "--zones", "at-once", "--show-output", "sh", "-c",
                      "echo $BELFRY_POLICY $BELFRY_INSTALL_AFTER"
                      " $BELFRY_QUIET_MS $BELFRY_ZONES", text=True)
        self.assertEqual(done.stderr, "plain 7 8 at-once\n"
                         "never 7 8 at-once\n")

    def test_missing_program_fails(self):
        done = belfry("compare", "no-such-program", text=True)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(len(done.stderr.splitlines()), 1)


@unittest.skipIf(SANITIZED, "a sanitized library cannot be preloaded")
@unittest.skipUnless(HAVE_KVM, "no /dev/kvm")
class WithKvm(BelfryTest):
    def test_stalls_behind_the_irqchip(self):
        done = belfry("compare", "-n", "1", "--json", "--", TESTVMM,
                      "irqchip", text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        rows = {row["name"]: row for row in json.loads(done.stdout)}
        doorbells = rows["stalled behind doorbells and zones"]
        self.assertEqual((doorbells["plain"], doorbells["belfry"]), (0, 0))
        irqchip = rows["stalled behind the irqchip alone"]
        if not rows["stalled ioctls"]["plain"]:
            self.skipTest("this kernel did not stall")
        self.assertGreater(irqchip["plain"], 1)

    def test_rows_and_goal(self):
        done = belfry("compare", "-n", "2", "--goal", "1000", "--json",
                      TESTVMM, "two-vms", text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        rows = {row["name"]: row for row in json.loads(done.stdout)}
        self.assertEqual(list(rows), ["exec to start",
                                      "start to first KVM_RUN",
                                      "start to first KVM_RUN, not stalled",
                                      "in stalled ioctls",
                                      "stalled behind doorbells and zones",
                                      "stalled behind the irqchip alone",
                                      "stalled behind neither",
                                      "stalled ioctls", "exec to exit"])
        first = rows["start to first KVM_RUN"]
        self.assertEqual(first["goal"], "<= 1000 x plain")
        self.assertIs(first["met"], True)
        self.assertAlmostEqual(first["ratio"],
                               first["plain"] / first["belfry"], places=2)

    def test_command_stays_in_memory(self):
        """belfry maps the command's file once, from the first run on."""
        command = [BELFRY, "compare", "-n", "200", TESTVMM, "two-vms"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL) as compare:
            maps = Path(f"/proc/{compare.pid}/maps")
            mapped = []
            while not mapped and compare.poll() is None:
                mapped = [line for line in maps.read_text().splitlines()
                          if line.endswith(os.path.realpath(TESTVMM))]
            compare.terminate()
        self.assertEqual(len(mapped), 1)
        self.assertIn(" r--s ", mapped[0])

    def test_table(self):
        done = belfry("compare", "-n", "1", TESTVMM, "two-vms", text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("start to first KVM_RUN [ms]", done.stdout)
        self.assertEqual(done.stderr, "")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
