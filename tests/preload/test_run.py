#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests of belfry run.

usage: test_run.py BELFRY LIBRARY TESTVMM STATIC_PROGRAM OTHER_LIBRARY
"""
import json
import os
import pty
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

BELFRY, LIBRARY, TESTVMM, STATIC, OTHER = sys.argv[1:6]
SANITIZED = bool(os.environ.get("BELFRY_SANITIZED"))
HAVE_KVM = os.access("/dev/kvm", os.R_OK | os.W_OK)

# Counts SIGINTs until no more arrive; exits with the count.
COUNT_INTS = """
import signal, sys, time
count = 0
def on_int(*args):
    global count
    count += 1
signal.signal(signal.SIGINT, on_int)
print("ready", flush=True)
while not count:
    time.sleep(0.01)
time.sleep(0.3)
sys.exit(count)
"""


# Leaves belfry no room in any file.
LIMIT_PARENT = """
import os, resource, sys
resource.prlimit(os.getppid(), resource.RLIMIT_FSIZE, (0, 0))
sys.exit(5)
"""

FILE_SIZE = 100


def limit_file_size():
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_SIZE, FILE_SIZE))


def belfry(*args, **kwargs):
    return subprocess.run([BELFRY, *args], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60,
                          check=False, **kwargs)


def start(*args, **kwargs):
    return subprocess.Popen([BELFRY, "run", *args], stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL, text=True, **kwargs)


class Usage(unittest.TestCase):
    def check_usage(self, *args):
        done = belfry(*args)
        self.assertEqual(done.returncode, 2)
        self.assertEqual(done.stdout, "")
        self.assertEqual(len(done.stderr.splitlines()), 1)

    def test_bad_arguments(self):
        self.check_usage()
        self.check_usage("no-such-command")
        self.check_usage("--no-such-option")
        self.check_usage("run")
        self.check_usage("run", "--no-such-option", "true")
        self.check_usage("run", "--policy", "no-such-policy", "true")
        self.check_usage("run", "--policy")
        self.check_usage("run", "--install-after", "0", "true")
        self.check_usage("run", "--install-after", "-1", "true")
        self.check_usage("run", "--quiet-ms", "soon", "true")
        self.check_usage("run", "--zones", "never", "true")
        self.check_usage("run", "--json=x", "true")
        self.check_usage("run", "-x", "true")

    def test_help(self):
        for args in ["--help"], ["run", "--help"], ["--version"]:
            done = belfry(*args)
            self.assertEqual(done.returncode, 0)
            self.assertEqual(done.stderr, "")
            self.assertIn("belfry", done.stdout)

    def test_output_that_cannot_be_written(self):
        done = belfry("run", "--output", "/nonexistent/file", "true")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(len(done.stderr.splitlines()), 1)

    def test_library_that_is_missing(self):
        env = dict(os.environ, BELFRY_PRELOAD="/nonexistent.so")
        done = belfry("run", "true", env=env)
        self.assertEqual(done.returncode, 1)
        self.assertIn("/nonexistent.so", done.stderr)


@unittest.skipIf(SANITIZED, "a sanitized library cannot be preloaded")
class Status(unittest.TestCase):
    def test_status(self):
        for status in 0, 1, 126, 127, 255:
            done = belfry("run", "sh", "-c", f"exit {status}")
            self.assertEqual(done.returncode, status)
            self.assertEqual(done.stderr,
                             "belfry run: no KVM call was seen; a program"
                             " that is static, or started with an empty"
                             " environment, runs without belfry\n")

    def test_options_of_the_command_are_its_own(self):
        done = belfry("run", "--", "printf", "%s", "--json")
        self.assertEqual(done.stdout, "--json")
        done = belfry("run", "printf", "%s", "--json")
        self.assertEqual(done.stdout, "--json")
        done = belfry("run", "--json", "printf", "%s", "--version")
        self.assertEqual(done.stdout, "--version")

    def test_other_library_answers(self):
        """What is not belfry's business reaches the next library."""
        env = dict(os.environ, LD_PRELOAD=OTHER)
        alone = subprocess.run([TESTVMM, "other-library"], timeout=60, env=env,
                               capture_output=True, text=True, check=True)
        self.assertIn("ioctl 4305\n", alone.stdout)
        for options in [], ["--plain"]:
            done = belfry("run", *options, TESTVMM, "other-library", env=env)
            self.assertEqual(done.stdout, alone.stdout)

    def test_not_found(self):
        done = belfry("run", "no-such-program")
        self.assertEqual(done.returncode, 127)
        self.assertEqual(done.stderr, "belfry run: no-such-program:"
                                      " command not found\n")

    def test_not_executable(self):
        done = belfry("run", "/etc/passwd")
        self.assertEqual(done.returncode, 126)
        self.assertEqual(len(done.stderr.splitlines()), 1)

    def test_killed(self):
        done = belfry("run", "sh", "-c", "kill -9 $$")
        self.assertEqual(done.returncode, 128 + 9)

    def test_static(self):
        done = belfry("run", STATIC)
        self.assertEqual(done.returncode, 5)
        self.assertIn("statically linked", done.stderr)
        self.assertIn("it ran without belfry", done.stderr)

    @unittest.skipUnless(HAVE_KVM, "no /dev/kvm")
    def test_pid_namespace(self):
        """Its own /proc does not hide the counters."""
        command = ["unshare", "--user", "--map-root-user", "--pid", "--fork",
                   "--mount-proc"]
        probe = subprocess.run([*command, "true"], capture_output=True,
                               check=False)
        if probe.returncode:
            self.skipTest("no PID namespaces")
        done = belfry("run", *command, TESTVMM, "two-vms")
        self.assertEqual(done.stdout, "end\nend\nfirst: 3\nsecond: 4\n")
        self.assertIn("2 of 2 doorbells", done.stderr)

    @unittest.skipUnless(HAVE_KVM, "no /dev/kvm")
    def test_daemon(self):
        """The table of a VMM that goes on comes when the VMM ends."""
        with tempfile.TemporaryDirectory() as folder:
            gate = Path(folder, "gate")
            os.mkfifo(gate)
            writer = os.open(gate, os.O_RDWR | os.O_CLOEXEC)
            vmm = f"{TESTVMM} daemon <{gate} >/dev/null 2>&1"
            done = belfry("run", "sh", "-c",
                          f"{vmm} & while [ ! -e {folder}/ready ]; do"
                          " sleep 0.05; done",
                          env=dict(os.environ, TMPDIR=folder,
                                   TESTVMM_READY=f"{folder}/ready"))
            self.assertIn("goes on; when it ends, its result is in",
                          done.stderr)
            table = Path(done.stderr.split()[-1])
            self.assertEqual(table.parent, Path(folder))
            os.close(writer)
            for _ in range(600):
                if table.exists() and "doorbells" in table.read_text():
                    break
                time.sleep(0.1)
            self.assertIn("1 of 1 doorbells", table.read_text())

    def test_installed_tool(self):
        """It takes no library from a folder beside the installation."""
        with tempfile.TemporaryDirectory() as folder:
            for source, name in (BELFRY, "bin/belfry"), (
                    LIBRARY, "src/preload/libbelfry-preload.so"):
                Path(folder, name).parent.mkdir(parents=True)
                shutil.copy(source, Path(folder, name))
            done = subprocess.run(
                [f"{folder}/bin/belfry", "run", "sh", "-c",
                 'echo "$LD_PRELOAD"'], capture_output=True, text=True,
                timeout=60, check=False)
            self.assertNotIn(folder, done.stdout)

    @unittest.skipUnless(HAVE_KVM, "no /dev/kvm")
    def test_static_launcher(self):
        """A static program that starts a dynamic one needs no message."""
        done = belfry("run", STATIC, TESTVMM, "two-vms")
        self.assertIn("2 of 2 doorbells", done.stderr)
        self.assertNotIn("static", done.stderr)

    def test_not_a_program(self):
        with tempfile.TemporaryDirectory() as folder:
            fifo = Path(folder, "fifo")
            os.mkfifo(fifo, 0o755)
            for name in fifo, folder, "/dev/null":
                done = belfry("run", str(name))
                self.assertEqual(done.returncode, 126)
                self.assertEqual(len(done.stderr.splitlines()), 1)

    def test_search(self):
        """belfry must find the static program where execvp() finds it."""
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "fifo").mkdir()
            os.mkfifo(Path(folder, "fifo", "program"), 0o755)
            Path(folder, "program").symlink_to(Path(STATIC).resolve())
            for path in "", ":/nonexistent", "/nonexistent:", "fifo::x":
                done = subprocess.run(
                    [Path(BELFRY).resolve(), "run", "program"], cwd=folder,
                    capture_output=True, text=True, timeout=60, check=False,
                    env=dict(os.environ, PATH=path))
                self.assertEqual(done.returncode, 5)
                self.assertIn("statically linked", done.stderr)

    def test_full_disk(self):
        """A lost result is a line; the status is the command's."""
        for options in [], ["--json"]:
            for status in 0, 5:
                done = belfry("run", *options, "--output", "/dev/full", "sh",
                              "-c", f"exit {status}")
                self.assertEqual(done.returncode, status)
                self.assertEqual(done.stderr,
                                 "belfry run: cannot write /dev/full:"
                                 " No space left on device\n")
        done = belfry("run", "sh", "-c", "echo x >/dev/full; exit 0")
        self.assertEqual(done.returncode, 0)

    def test_file_size_limit(self):
        """SIGXFSZ ends neither belfry nor the command."""
        with tempfile.TemporaryDirectory() as folder:
            for option in "--output", "--trace", "--report":
                path = Path(folder, "result")
                done = belfry("run", option, path, sys.executable, "-c",
                              LIMIT_PARENT)
                self.assertEqual(done.returncode, 5)
                self.assertIn(f"cannot write {path}: File too large\n",
                              done.stderr)
                self.assertEqual(list(Path(folder).iterdir()), [])
                done = belfry("run", option, path, "sh", "-c", "exit 5",
                              preexec_fn=limit_file_size)
                self.assertEqual(done.returncode, 1)
                self.assertRegex(done.stderr, r"\Abelfry run: .*\n\Z")

    def test_command_inherits_signals(self):
        """belfry ignores the signals of its own writes alone."""
        for default in signal.SIG_DFL, signal.SIG_IGN:
            done = belfry("run", "--quiet", "grep", "SigIgn",
                          "/proc/self/status", restore_signals=False,
                          preexec_fn=lambda: signal.signal(signal.SIGXFSZ,
                                                           default))
            ignored = int(done.stdout.split()[1], 16)
            self.assertEqual(bool(ignored >> (signal.SIGXFSZ - 1) & 1),
                             default == signal.SIG_IGN)

    def test_no_reader_of_stderr(self):
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run([BELFRY, "run", "sh", "-c", "exit 5"],
                              stderr=writer, timeout=60, check=False)
        os.close(writer)
        self.assertEqual(done.returncode, 5)

    @unittest.skipUnless(HAVE_KVM, "no /dev/kvm")
    def test_library_whose_lines_are_lost(self):
        """The library's lines do not end a VMM."""
        env = dict(os.environ, LD_PRELOAD=LIBRARY, BELFRY_PRINT="all")
        command = [TESTVMM, "two-vms"]
        options = {"env": env, "stdout": subprocess.DEVNULL, "timeout": 60,
                   "check": False}
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run(command, stderr=writer, **options)
        os.close(writer)
        self.assertEqual(done.returncode, 0)
        with tempfile.TemporaryFile() as full:
            full.seek(FILE_SIZE)
            done = subprocess.run(command, stderr=full,
                                  preexec_fn=limit_file_size, **options)
        self.assertEqual(done.returncode, 0)
        self.assertTrue(subprocess.run(command, stderr=subprocess.PIPE,
                                       **options).stderr)

    def test_other_preloads_stay(self):
        env = dict(os.environ, LD_PRELOAD="libm.so.6")
        done = belfry("run", "sh", "-c", "echo $LD_PRELOAD", env=env)
        self.assertEqual(done.stdout, f"{Path(LIBRARY).resolve()}"
                                      ":libm.so.6\n")


@unittest.skipIf(SANITIZED, "a sanitized library cannot be preloaded")
class Signals(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # Below nohup(1) SIGHUP is ignored, and a shell cannot trap it then.
        before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
        cls.addClassCleanup(signal.signal, signal.SIGHUP, before)

    def test_forwarded(self):
        for sig in signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1:
            trap = f"trap 'exit 7' {sig.name[3:]}; echo ready;" \
                   " while :; do sleep 0.05; done"
            with start("sh", "-c", trap) as run:
                self.assertEqual(run.stdout.readline(), "ready\n")
                run.send_signal(sig)
                self.assertEqual(run.wait(60), 7)

    def test_unhandled_signal_ends_the_program(self):
        with start("sh", "-c", "echo ready; exec sleep 60") as run:
            run.stdout.readline()
            run.send_signal(signal.SIGTERM)
            self.assertEqual(run.wait(60), 128 + signal.SIGTERM)

    def test_terminal_sends_once(self):
        pid, terminal = pty.fork()
        if pid == 0:
            os.execv(BELFRY, [BELFRY, "run", sys.executable, "-c",
                              COUNT_INTS])
        output = b""
        while b"ready" not in output:
            output += os.read(terminal, 100)
        os.write(terminal, b"\x03")
        try:
            while os.read(terminal, 100):
                pass
        except OSError:
            pass  # the program has closed the terminal
        _, status = os.waitpid(pid, 0)
        os.close(terminal)
        self.assertEqual(os.waitstatus_to_exitcode(status), 1)


@unittest.skipIf(SANITIZED, "a sanitized library cannot be preloaded")
@unittest.skipUnless(HAVE_KVM, "no /dev/kvm")
class Report(unittest.TestCase):
    def rows(self, *args):
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder, "result.json")
            done = belfry("run", "--json", "--output", str(output), *args)
            return done, {row["name"]: row
                          for row in json.loads(output.read_text())}

    def test_json(self):
        done, rows = self.rows("--policy", "first-run", TESTVMM, "two-vms")
        self.assertEqual(done.returncode, 0)
        self.assertEqual(done.stderr, "")
        for row in rows.values():
            self.assertIsInstance(row["name"], str)
            self.assertIsInstance(row["unit"], str)
            self.assertIsInstance(row["value"], (int, float))
            self.assertIsInstance(row["peers"], dict)
        self.assertEqual(rows["KVM_CREATE_VM"]["calls"], 2)
        self.assertEqual(rows["close(vm)"]["calls"], 2)
        self.assertEqual(rows["doorbells assigned"]["value"], 2)
        self.assertEqual(rows["doorbells assigned"]["peers"]["installed"], 2)
        self.assertGreater(rows["start to first KVM_RUN"]["value"], 0)

    def test_plain(self):
        _, rows = self.rows("--plain", TESTVMM, "two-vms")
        self.assertEqual(rows["doorbells assigned"]["value"], 0)
        self.assertEqual(rows["KVM_IOEVENTFD (assign)"]["calls"], 2)

    def test_lazy(self):
        """Few signals install nothing; many install the doorbell."""
        _, rows = self.rows(TESTVMM, "two-vms")
        self.assertEqual(rows["doorbells assigned"]["peers"]["installed"], 0)
        self.assertEqual(rows["signals in user space"]["value"], 3 + 4)
        _, rows = self.rows("--install-after", "16", "--quiet-ms", "1",
                            TESTVMM, "threads")
        self.assertEqual(rows["doorbells assigned"]["value"], 201)
        self.assertEqual(rows["doorbells assigned"]["peers"]["installed"], 1)

    def test_settings_from_the_environment(self):
        env = dict(os.environ, BELFRY_INSTALL_AFTER="many")
        done = belfry("run", TESTVMM, "two-vms", env=env)
        self.assertEqual(done.stdout, "end\nend\nfirst: 3\nsecond: 4\n")
        self.assertIn("belfry: BELFRY_INSTALL_AFTER=many is not valid:"
                      " changing nothing", done.stderr)

    def test_renamed_settings(self):
        done = belfry("run", "--rings", "16", TESTVMM, "two-vms")
        self.assertEqual(done.returncode, 2)
        self.assertEqual(done.stderr, "belfry run: --rings is now"
                         " --install-after; see belfry run --help\n")
        env = dict(os.environ, BELFRY_RINGS="16")
        done = belfry("run", TESTVMM, "two-vms", env=env)
        self.assertEqual(done.stdout, "end\nend\nfirst: 3\nsecond: 4\n")
        self.assertIn("belfry: BELFRY_RINGS is now BELFRY_INSTALL_AFTER:"
                      " changing nothing", done.stderr)

    def test_killed(self):
        done, rows = self.rows(TESTVMM, "killed")
        self.assertEqual(done.returncode, 128 + 9)
        self.assertEqual(rows["doorbells assigned"]["value"], 1)
        self.assertEqual(rows["signals in user space"]["peers"]["KVM_RUN"], 1)

    def test_errors(self):
        _, rows = self.rows(TESTVMM, "plain-ioctl")
        self.assertEqual(rows["KVM_CREATE_VM"]["errors"], 1)

    def test_text(self):
        done = belfry("run", "--all", TESTVMM, "two-vms")
        self.assertEqual(done.stdout, "end\nend\nfirst: 3\nsecond: 4\n")
        self.assertIn("KVM_SET_USER_MEMORY_REGION", done.stderr)
        self.assertIn("KVM_GET_SREGS", done.stderr)
        self.assertIn("doorbells: 2 assigned", done.stderr)
        self.assertIn("policy lazy", done.stderr)

    def test_summary(self):
        """What stalled, what was saved, and rows that stalled alone."""
        done = belfry("run", TESTVMM, "two-vms")
        lines = done.stderr.splitlines()
        self.assertRegex(lines[0], "^stalled: .* to the first KVM_RUN$")
        self.assertIn("2 of 2 doorbells", lines[1])
        self.assertNotIn("KVM_GET_SREGS", done.stderr)
        done = belfry("run", "--quiet", TESTVMM, "two-vms")
        self.assertEqual(done.stderr, "")

    def test_without_belfry_run(self):
        env = dict(os.environ, LD_PRELOAD=LIBRARY)
        done = subprocess.run([TESTVMM, "two-vms"], capture_output=True,
                              text=True, timeout=60, check=False, env=env)
        self.assertEqual(done.returncode, 0)
        self.assertIn("belfry: stalled: ", done.stderr)
        self.assertIn("belfry: doorbells: 2 assigned", done.stderr)
        self.assertNotIn("KVM_GET_SREGS", done.stderr)

    def test_exec_keeps_the_process(self):
        child = subprocess.Popen([BELFRY, "run", "--exec", "--all", "sh", "-c",
                                  f"echo $$; exec {TESTVMM} two-vms"],
                                 stdout=subprocess.PIPE, text=True,
                                 stderr=subprocess.PIPE)
        out, err = child.communicate(timeout=60)
        self.assertEqual(out.splitlines()[0], str(child.pid))
        self.assertIn("belfry: doorbells: 2 assigned", err)
        self.assertIn("KVM_GET_SREGS", err)
        self.assertEqual(belfry("run", "--exec", "--json", "true").returncode,
                         2)
        done = belfry("run", "--exec", "no-such-program")
        self.assertEqual(done.returncode, 127)

    def test_programs_that_belfry_cannot_reach(self):
        done = belfry("run", "sh", "-c", f"env -i {TESTVMM} two-vms")
        self.assertIn("empty environment", done.stderr)
        done = belfry("run", "sh", "-c", STATIC)
        self.assertIn("static", done.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
