#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A program with ThreadSanitizer does not link a library without it.

    test_srcu_tsan_mix.py SOURCE-ROOT LIBRARY COMPILER...

The compiler gets the macro that says "ThreadSanitizer", not the option, so that
no runtime of the sanitizer is needed.
"""
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT, LIBRARY, COMPILER = sys.argv[1], sys.argv[2], sys.argv[3:]
PROGRAM = """
#include <belfry/srcu.h>

DEFINE_STATIC_SRCU(domain);

int main(void)
{
	srcu_read_unlock(&domain, srcu_read_lock(&domain));
	return 0;
}
"""


class Mixture(unittest.TestCase):
    def link(self, *args):
        with tempfile.TemporaryDirectory() as folder:
            source = pathlib.Path(folder, "program.c")
            source.write_text(PROGRAM)
            return subprocess.run(
                COMPILER + list(args) +
                ["-I" + ROOT + "/include", str(source), LIBRARY, "-pthread",
                 "-o", folder + "/program"],
                capture_output=True, text=True, check=False)

    def test_same(self):
        done = self.link()
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_mixture(self):
        done = self.link("-D__SANITIZE_THREAD__=1")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("__bf_srcu_wake_tsan", done.stderr)


unittest.main(argv=sys.argv[:1])
