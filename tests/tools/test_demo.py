#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The demonstration when parts of it fail.

usage: test_demo.py SOURCE
"""
import contextlib
import io
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from unittest.mock import patch

sys.dont_write_bytecode = True  # keep the source tree clean
SCRIPTS = Path(sys.argv[1], "scripts")
sys.path.insert(0, str(SCRIPTS))

import qemu_boot


def load(name):
    """Load a program by a name that no import statement can have."""
    loader = SourceFileLoader(name.replace("-", "_"), str(SCRIPTS / name))
    module = module_from_spec(spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


demo_qemu = load("demo-qemu")

# Find the file of the result among: run [--plain] --json --output FILE.
FIND_OUTPUT = 'while [ "$1" != --output ]; do shift; done; output=$2\n'


def write_program(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def runs(pid):
    try:
        return ") Z " not in Path("/proc", pid, "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


class Folder(unittest.TestCase):
    def setUp(self):
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def write_belfry(self, text):
        write_program(self.folder / "tools/belfry", text)


class Demo(Folder):
    def demo(self, qemu_status, belfry="true"):
        shutil.copy(SCRIPTS / "demo", self.folder)
        write_program(self.folder / "demo-qemu", f"exit {qemu_status}")
        self.write_belfry(f"echo shows $1; {belfry}")
        return subprocess.run([self.folder / "demo", self.folder],
                              capture_output=True, text=True, timeout=60,
                              check=False)

    def check(self, done, status):
        self.assertEqual(done.returncode, status, done)
        self.assertIn("shows doorbell\n", done.stdout)
        self.assertIn("shows stall\n", done.stdout)

    def test_success(self):
        self.check(self.demo(0), 0)

    def test_skipped(self):
        self.check(self.demo(77), 0)

    def test_qemu_fails(self):
        self.check(self.demo(3), 3)

    def test_table_fails(self):
        self.check(self.demo(0, '[ "$1" = stall ] || exit 4'), 4)


class Boot(Folder):
    def setUp(self):
        super().setUp()
        self.enterContext(patch.object(qemu_boot, "missing", lambda: None))

    def demo_qemu(self):
        """Run demo-qemu.  Returns its exit status and stderr."""
        said = io.StringIO()
        with patch.object(sys, "argv", ["demo-qemu", str(self.folder), "1"]), \
             contextlib.redirect_stdout(io.StringIO()), \
             contextlib.redirect_stderr(said):
            return demo_qemu.main(), said.getvalue()

    def check_fails(self, words):
        status, said = self.demo_qemu()
        self.assertEqual(status, 1)
        self.assertEqual(len(said.splitlines()), 1, said)
        self.assertIn(words, said)

    def test_no_tool(self):
        self.check_fails("cannot start")

    def test_no_result(self):
        self.write_belfry("echo first >&2; echo why >&2; exit 5")
        self.check_fails("exit status was 5, and its last message: why")

    def test_empty_result(self):
        self.write_belfry(FIND_OUTPUT + ': >"$output"')
        self.check_fails("its last message: nothing")

    def test_broken_results(self):
        for text in "[{", "7", "[7]", "[{}]", '{"a": 1}', "[]", \
                '[{"name": "start to first KVM_RUN"}]':
            self.write_belfry(FIND_OUTPUT + f"echo '{text}' >\"$output\"")
            self.check_fails("belfry run")

    def test_timeout_kills_the_vmm(self):
        self.enterContext(patch.object(qemu_boot, "TIMEOUT", 0.5))
        self.write_belfry(f"sleep 600 & echo $! >{self.folder}/pid; wait")
        self.check_fails("did not end within 0.5 s")
        pid = (self.folder / "pid").read_text().strip()
        # SIGKILL was sent before the message, but takes effect later.
        while runs(pid):
            time.sleep(0.01)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
