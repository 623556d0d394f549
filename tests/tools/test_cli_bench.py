#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The rows of a short benchmark are complete.  No speed is checked.

usage: test_cli_bench.py BELFRY
"""
import json
import subprocess
import sys
import unittest

BELFRY = sys.argv[1]


class Vcpus(unittest.TestCase):
    def test_rows(self):
        done = subprocess.run([BELFRY, "bench", "vcpus", "--json"],
                              stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, text=True, check=True)
        rows = json.loads(done.stdout)
        for row in rows:
            self.assertGreater(row["value"], 0, row)
            self.assertIn(row["unit"], ("ns", "us", "ms", "ratio"))
            self.assertEqual("goal" in row, "met" in row, row)
            if row["unit"] != "ratio":
                self.assertEqual(len(row["peers"]), 2, row)
        self.assertEqual(sum("goal" in row for row in rows), 10)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
