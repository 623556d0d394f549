#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""belfry stall, with KVM and without.

usage: test_cli_stall.py BELFRY

A mount namespace hides /dev/kvm, if the test may create one.
"""
import functools
import json
import sys
import unittest
from pathlib import Path

sys.dont_write_bytecode = True  # keep the source tree clean
from namespaces import (COVERED_NODE, EMPTY_DEV, HAVE_KVM, HAVE_NODE,
                        POWERLESS, can_cover, run, run_covered)

BELFRY = str(Path(sys.argv[1]).resolve())


@unittest.skipUnless(HAVE_KVM, "no /dev/kvm")
class Rows(unittest.TestCase):
    @staticmethod
    @functools.lru_cache(maxsize=None)
    def run_once():
        """With the soft limit of descriptors that systemd sets."""
        return run("sh", "-c", 'ulimit -Sn 1024; exec "$0" "$@"',
                   BELFRY, "stall", "--count", "1", "--json")

    def rows(self):
        done = self.run_once()
        self.assertEqual(done.returncode, 0, done)
        self.assertEqual(done.stderr, "")
        rows = json.loads(done.stdout)
        self.assertIsInstance(rows, list)
        return {row["name"]: row for row in rows}

    def test_members(self):
        rows = self.rows()
        self.assertEqual(len(rows), 20)
        self.assertIn("state", rows.pop("kernel module"))
        self.check_stalled(rows.pop("whole VM stalled"))
        for row in rows.values():
            self.assertIn(row["unit"], ["us", "ns", "VMs/s"])
            self.assertGreater(row["plain"], 0)
            self.assertGreater(row["belfry"], 0)
            ratio = row["plain"] / row["belfry"]
            if row["unit"] == "VMs/s":
                ratio = 1 / ratio
            self.assertAlmostEqual(row["ratio"], ratio,
                                   delta=0.1 * ratio + 0.01)

    def check_stalled(self, row):
        """No call may have stalled; then the ratio is null."""
        for kind in "plain", "belfry", "alone":
            self.assertTrue(row[kind] == 0 or row[kind] >= 1000, row)
        if row["belfry"]:
            self.assertAlmostEqual(row["ratio"], row["plain"] / row["belfry"],
                                   delta=0.01 * row["ratio"] + 0.01)
        else:
            self.assertIsNone(row["ratio"])

    def test_goals(self):
        rows = self.rows()
        stated = {name for name, row in rows.items() if "goal" in row}
        self.assertEqual(set(rows) - stated, {"kernel module", "16 ioeventfds, memslot",
                                              "deassign after assign",
                                              "close after assign",
                                              "first vCPU after assign"})
        for name, row in rows.items():
            self.assertEqual("met" in row, name in stated)
            if name in stated:
                self.assertIsInstance(row["goal"], str)
                self.assertIsInstance(row["met"], bool)

    def test_alone(self):
        """Rows of doorbells only have no other calls to time alone."""
        for name, row in self.rows().items():
            if name == "kernel module":
                continue
            self.assertEqual("alone" in row,
                             row["unit"] != "ns" and "assign," not in name and
                             name != "deassign after assign")

    def test_table(self):
        done = run(BELFRY, "stall", "--count", "1")
        self.assertEqual(done.returncode, 0, done)
        self.assertEqual(done.stderr, "")
        self.assertIn("first vCPU after assign [us]", done.stdout)
        self.assertIn("belfry/vm.h, policy lazy\n", done.stdout)

    def test_policy(self):
        done = run(BELFRY, "stall", "--count", "1", "--policy", "first-run")
        self.assertEqual(done.returncode, 0, done)
        self.assertIn("belfry/vm.h, policy first-run\n", done.stdout)

    def test_row(self):
        done = run(BELFRY, "stall", "--count", "1", "--row", "deassign after",
                   "--json")
        names = [row["name"] for row in json.loads(done.stdout)]
        self.assertEqual(names, ["deassign after assign", "kernel module"])
        done = run(BELFRY, "stall", "--row", "tea")
        self.assertEqual(done.returncode, 2, done)
        self.assertIn("'tea'", done.stderr)

    def test_unknown_policy(self):
        done = run(BELFRY, "stall", "--policy", "never")
        self.assertEqual(done.returncode, 2, done)
        self.assertEqual(len(done.stderr.splitlines()), 1, done)
        self.assertIn("unknown policy 'never'", done.stderr)


# A module that the kernel does not have, below a new /sys/module.
FAKE_MODULE = """mount -t tmpfs none /sys/module && cd /sys/module &&
mkdir -p belfry/parameters belfry/counters &&
echo active >belfry/parameters/state && echo Y >belfry/parameters/enabled &&
echo promote >belfry/parameters/method"""

# End the measurement while the module is off; print its state before and after.
INTERRUPTED = """"$0" stall --plain-only & pid=$!
until grep -q N belfry/parameters/enabled; do sleep 0.01; done
kill $pid; wait $pid; echo $?; cat belfry/parameters/enabled"""


@unittest.skipUnless(HAVE_KVM, "no /dev/kvm")
class PlainOnly(unittest.TestCase):
    def rows(self, done):
        self.assertEqual(done.returncode, 0, done)
        rows = {row["name"]: row for row in json.loads(done.stdout)}
        self.assertEqual(len(rows), 16)
        self.assertNotIn("KVM_RUN, to the vCPU and back", rows)
        return rows.pop("kernel module"), rows

    def test_without_module(self):
        if Path("/sys/module/belfry").exists():
            self.skipTest("the kernel module is loaded")
        module, rows = self.rows(run(BELFRY, "stall", "--plain-only",
                                     "--count", "1", "--json"))
        self.assertEqual(module["state"], "not loaded")
        for row in rows.values():
            for absent in "belfry", "module", "ratio", "goal":
                self.assertNotIn(absent, row)

    def test_with_module(self):
        if not can_cover(FAKE_MODULE):
            self.skipTest("no mount namespace for a module that is not there")
        done = run_covered(FAKE_MODULE, "sh", "-c",
                           '"$0" stall --plain-only --count 1 --json'
                           " && cat belfry/parameters/enabled >&2", BELFRY)
        self.assertEqual(done.stderr, "Y\n")
        module, rows = self.rows(done)
        self.assertEqual(module["state"], "active")
        for name, row in rows.items():
            self.assertIn("module", row, name)
            if row["plain"] and row["module"]:
                self.assertGreater(row["ratio"], 0, name)
        stated = {name for name, row in rows.items() if "goal" in row}
        self.assertEqual(stated, {"1 ioeventfd, memslot",
                                  "16 x (4 ioeventfds, memslot)",
                                  "close after assign"})

    def test_signal_restores_the_module(self):
        if not can_cover(FAKE_MODULE):
            self.skipTest("no mount namespace for a module that is not there")
        done = run_covered(FAKE_MODULE, "sh", "-c", INTERRUPTED, BELFRY)
        self.assertEqual(done.stdout, "143\nY\n")


class WithoutKvm(unittest.TestCase):
    def check_skipped(self, done, words):
        self.assertEqual(done.returncode, 77, done)
        self.assertEqual(done.stdout, "")
        self.assertEqual(len(done.stderr.splitlines()), 1, done)
        self.assertTrue(done.stderr.startswith("belfry stall: "), done)
        self.assertIn(words, done.stderr)

    def test_no_device(self):
        if HAVE_NODE and not can_cover(EMPTY_DEV):
            self.skipTest("no mount namespace in which to hide /dev/kvm")
        done = run_covered(EMPTY_DEV, BELFRY, "stall") if HAVE_NODE else \
            run(BELFRY, "stall")
        self.check_skipped(done, "no /dev/kvm: load the kvm")

    def test_no_permission(self):
        if not HAVE_NODE or not can_cover(COVERED_NODE, *POWERLESS):
            self.skipTest("no mount namespace, or no /dev/kvm to cover")
        done = run_covered(COVERED_NODE, *POWERLESS, BELFRY, "stall", mode=0)
        self.check_skipped(done, "no permission on /dev/kvm: join the group")

    def test_file_that_is_not_kvm(self):
        if not HAVE_NODE or not can_cover(COVERED_NODE):
            self.skipTest("no mount namespace, or no /dev/kvm to cover")
        done = run_covered(COVERED_NODE, BELFRY, "stall")
        self.check_skipped(done, "/dev/kvm is not KVM")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
