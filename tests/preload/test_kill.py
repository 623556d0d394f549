#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""After kill -9 at any moment belfry must leave nothing behind.

usage: test_kill.py BELFRY TESTVMM [TIMES [SEED]]

Exits 77 if the machine has no KVM, or the build has a sanitizer: a sanitized
library cannot be preloaded.
"""
import ctypes
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

BELFRY, TESTVMM = (str(Path(path).resolve()) for path in sys.argv[1:3])
TIMES = int(sys.argv[3]) if len(sys.argv) > 3 else 40
SEED = int(sys.argv[4]) if len(sys.argv) > 4 else 1

PR_SET_CHILD_SUBREAPER = 36
KILLED = 128 + signal.SIGKILL

# The longest delay, in seconds: long enough for some VMs.
LONGEST = 0.05

# The test gives up on a process after so many seconds.
TIMEOUT = 60

# The folders in which a program may leave files.
FOLDERS = {"HOME": "home", "TMPDIR": "tmp", "XDG_RUNTIME_DIR": "runtime",
           "XDG_CACHE_HOME": "cache", "XDG_STATE_HOME": "state",
           "XDG_CONFIG_HOME": "config"}
SHARED = ("/tmp", "/dev/shm", "/var/tmp")


def belfry_files():
    """In shared folders; without those of other tests."""
    return {path for folder in SHARED for path in Path(folder).glob("*belfry*")
            if not path.name.startswith("belfry-test-")}


def belfry_sockets():
    return {line.split()[-1] for line in
            Path("/proc/net/unix").read_text(errors="replace").splitlines()
            if "belfry" in line}


def children_of(pid):
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [int(word) for word in text.split()]


def reap_all():
    """Reaps all children, orphans included; returns those that do not end."""
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.001)
        except ChildProcessError:
            return []
    left = children_of(os.getpid())
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    return left


class Kill(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def setUp(self):
        self.random = random.Random(SEED)
        self.root = Path(self.enterContext(tempfile.TemporaryDirectory(
            prefix="killed-")))
        self.folders = {name: self.root / folder
                        for name, folder in FOLDERS.items()}
        for folder in (*self.folders.values(), self.root / "cwd",
                       self.root / "out"):
            folder.mkdir(mode=0o700)
        self.before = belfry_files(), belfry_sockets()

    def start(self, *options):
        env = dict(os.environ, BELFRY_INSTALL_AFTER="16",
                   BELFRY_QUIET_MS="1",
                   **{name: str(path) for name, path in self.folders.items()})
        if self.random.random() < 0.5:
            del env["BELFRY_INSTALL_AFTER"]
        policy = self.random.choice(["lazy", "first-run", "never", "eager"])
        return subprocess.Popen(
            [BELFRY, "run", "--policy", policy, "--json", "--output",
             self.root / "out/rows", *options, "--", TESTVMM, "busy"],
            env=env, cwd=self.root / "cwd", stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def wait_randomly(self, run):
        """Waits from the start, or the first VM's end; True: the latter."""
        late = self.random.random() < 0.5
        if late:
            self.assertEqual(run.stdout.readline(), b"done\n")
        time.sleep(self.random.uniform(0, LONGEST))
        return late

    def wait_for_child(self, pid):
        while not children_of(pid):
            time.sleep(0.0005)
        return children_of(pid)[0]

    def check_nothing_left(self):
        self.assertEqual(reap_all(), [])
        for name, folder in self.folders.items():
            left = [path.name for path in folder.iterdir()]
            self.assertEqual(left, [], name)
        self.assertEqual(list((self.root / "cwd").iterdir()), [])
        self.assertEqual((belfry_files(), belfry_sockets()),
                         self.before)

    def test_killed_program(self):
        """belfry run reports the program's status and counters."""
        trace, page = self.root / "out/trace", self.root / "out/page"
        for n in range(TIMES):
            recorded = n % 2
            options = ["--trace", trace, "--report", page] if recorded else []
            with self.start(*options) as run:
                child = self.wait_for_child(run.pid)
                late = self.wait_randomly(run)
                os.kill(child, signal.SIGKILL)
                self.assertEqual(run.wait(TIMEOUT), KILLED)
            rows = {row["name"]: row["value"] for row in
                    json.loads((self.root / "out/rows").read_text())}
            if late:
                self.assertGreater(rows["doorbells assigned"], 0)
            if recorded:
                summary = json.loads(trace.read_text())["belfry"]
                self.assertEqual(summary["status"], KILLED)
                self.assertIn("</html>", page.read_text())
            self.check_nothing_left()

    def test_killed_belfry_run(self):
        """The program must die with it."""
        for n in range(TIMES):
            with self.start(*(["--trace", self.root / "out/trace"]
                              if n % 2 else [])) as run:
                self.wait_randomly(run)
                run.kill()
                self.assertEqual(run.wait(TIMEOUT), -signal.SIGKILL)
                # Inside the block: a closed stdout would end the program.
                self.check_nothing_left()


if __name__ == "__main__":
    if os.environ.get("BELFRY_SANITIZED"):
        print("skipped: a sanitized library cannot be preloaded")
        sys.exit(77)
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        print("skipped: no /dev/kvm")
        sys.exit(77)
    unittest.main(argv=sys.argv[:1])
