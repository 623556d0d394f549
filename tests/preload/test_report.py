#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests of belfry run --trace and --report, and of belfry report.

usage: test_report.py BELFRY TESTVMM
"""
import base64
import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import unittest
from html.parser import HTMLParser
from pathlib import Path

sys.dont_write_bytecode = True  # writes nothing to the source tree
import chrome_trace
from belfry_test import HAVE_KVM, SANITIZED, TESTVMM, BelfryTest, belfry

# Characters that command a terminal: C0, C1, and marks of direction.
CONTROLS = ("\x01\x07\x1b\x7f\x80\x9b\x9f\u061c\u200e\u200f\u2028\u202a\u202e"
            "\u2066\u2069")

# The call of the scenario "irqchip" that leaves a grace period.
OF_IRQCHIP = "KVM_SET_DEVICE_ATTR" if platform.machine() == "aarch64" else \
    "KVM_CREATE_IRQCHIP"

# Elements without an end tag.
VOID = {"meta", "link", "br", "img", "input"}


class Page(HTMLParser):
    """Checks that each element ends in its place; collects the scripts."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open = []
        self.tags = []
        self.ids = []
        self.attributes = []
        self.scripts = []
        self.feed(text)
        self.close()
        assert not self.open, f"never ended: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        self.ids += [value for name, value in attrs if name == "id"]
        if tag == "script":
            self.scripts.append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, (tag, self.open)
        self.open.pop()

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.scripts[-1] += data


class WithFolder(BelfryTest):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)
        self.trace_path = self.folder / "run.trace"
        self.page_path = self.folder / "run.html"

    def record(self, *args, options=()):
        """Runs a command; returns the trace, which the page must contain."""
        self.done = belfry("run", "--trace", self.trace_path, "--report",
                           self.page_path, *options, "--", *args)
        trace = json.loads(self.trace_path.read_text())
        self.page = Page(self.page_path.read_text())
        self.assertEqual(json.loads(self.page.scripts[0]), trace)
        return trace

    def text(self):
        done = belfry("report", self.trace_path, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout


class Usage(WithFolder):
    def test_bad_arguments(self):
        self.check_line(2, "report")
        self.check_line(2, "report", "a", "b")
        self.check_line(2, "report", "--json", "a")
        self.check_line(2, "run", "--trace")
        self.check_line(2, "run", "--events", "x", "true")
        self.check_line(2, "run", "--events", "1", "true")

    def test_help(self):
        done = belfry("report", "--help", text=True)
        self.assertEqual(done.returncode, 0)
        self.assertIn("belfry report", done.stdout)

    def test_files_that_cannot_be_written(self):
        for option in "--trace", "--report":
            self.check_line(1, "run", option, "/nonexistent/file", "true")

    def test_no_trace(self):
        for text in ("", "{", '{"traceEvents": [', "[]", "null", "x",
                     '{"traceEvents": []}', '{"traceEvents": 3}',
                     '{"traceEvents": [], "belfry": {"version": 0}}',
                     '{"traceEvents": [], "belfry": []}', '"' + "\0" * 9):
            self.trace_path.write_text(text)
            self.check_line(1, "report", str(self.trace_path))
        self.check_line(1, "report", "/nonexistent/file")
        self.check_line(1, "report", str(self.folder))

    def write_trace(self, behind="", **members):
        trace = {"traceEvents": [], "belfry": {"version": 2}} | members
        self.trace_path.write_text(json.dumps(trace) + behind)

    def test_many_stalls(self):
        """A report whose time is quadratic takes ten minutes for these."""
        stall = {"name": "KVM_IOEVENTFD", "ts": 1, "dur": 6000, "tid": 1,
                 "args": {"stall": True, "vm": 1, "behind": "x"}}
        self.write_trace(traceEvents=[stall] * 65536)
        self.assertEqual(self.text().count("KVM_IOEVENTFD"), 65536)

    def test_long_name(self):
        self.write_trace(traceEvents=[
            {"name": name, "args": {"stall": True}}
            for name in ["n" * 100000, *"x" * 1000]])
        self.assertLess(len(self.text()), 1000000)

    def test_endless_file(self):
        self.assertIn("too long", self.check_line(1, "report", "/dev/zero"))

    def test_data_behind_the_trace(self):
        self.write_trace(behind=" \n\t\r\n")
        self.text()
        for behind in "x", "{}", "\0", "\n\n]":
            self.write_trace(behind=behind)
            self.assertIn("data behind", self.check_line(
                1, "report", str(self.trace_path)))

    def check_no_controls(self, text):
        for character in CONTROLS:
            self.assertNotIn(character, text)

    def test_control_characters_of_a_trace(self):
        call = {"name": CONTROLS, "calls": 1}
        doorbell = {"space": CONTROLS, "address": CONTROLS,
                    "served_by": CONTROLS}
        stall = {"name": "a\nb" + CONTROLS,
                 "args": {"stall": True, "behind": CONTROLS}}
        self.write_trace(traceEvents=[stall], belfry={
            "version": 2, "command": [CONTROLS, "a\nb"], "policy": CONTROLS,
            "kernel": CONTROLS, "calls": [call], "doorbells": [doorbell],
            "remaining_stalls": [{"behind": CONTROLS}],
            "dropped": {CONTROLS: 1}})
        text = self.text()
        self.check_no_controls(text)
        self.assertIn("a?b", text.splitlines()[0])

    def test_control_characters_of_the_command_line(self):
        name = "x\n" + CONTROLS
        for words in (["report", name], ["run", name],
                      ["run", "--trace", f"/nonexistent/{name}", "true"],
                      ["run", "--policy", name, "true"], ["--" + name],
                      [name], ["compare", name], ["report", "--" + name],
                      ["doctor", "--", name], ["doctor", "--json", name]):
            done = belfry(*words)
            self.check_no_controls((done.stdout + done.stderr).decode())
            if words[0] != "doctor":
                self.assertEqual(done.stderr.count(b"\n"), 1, done.stderr)

    def test_bytes_of_the_command_line(self):
        done = belfry("report", b"/nonexistent/\xff\xc0\x80\xed\xa0\x80")
        self.assertIn("/nonexistent/??????", done.stderr.decode())

    def test_validator_finds_problems(self):
        call = {"name": "x", "cat": "c", "ph": "X", "ts": 1, "dur": 2.5,
                "pid": 1, "tid": 1, "args": {}}
        right = {"traceEvents": [call], "displayTimeUnit": "ms"}
        self.assertEqual(chrome_trace.problems(right), [])
        for change in ({"ph": "?"}, {"ph": "i"}, {"ts": -1}, {"ts": True},
                       {"dur": float("nan")}, {"pid": "1"}, {"name": 1},
                       {"args": []}, {"s": "t"}, {"more": 1}, {"cat": ""}):
            wrong = dict(right, traceEvents=[call | change])
            self.assertEqual(len(chrome_trace.problems(wrong)) > 0, True,
                             change)
        for others in ([dict(call, ts=0)], [dict(call, ts=2)]):
            wrong = dict(right, traceEvents=[call, *others])
            self.assertEqual(len(chrome_trace.problems(wrong)), 1)
        self.assertEqual(chrome_trace.problems(dict(
            right, traceEvents=[call, dict(call, ts=2, dur=1),
                                dict(call, ts=3.5)])), [])
        for wrong in [], {}, {"traceEvents": 1}, {"traceEvents": [call]}:
            self.assertTrue(chrome_trace.problems(wrong))

    def test_trace_of_odd_parts(self):
        """Valid JSON with the right names and unexpected values."""
        for odd in 3, "x", None, [], {}, [None, 3, "x", [], {}]:
            names = ("command", "calls", "doorbells", "remaining_stalls",
                     "dropped", "saved", "first_run_us", "policy", "status")
            about = {"version": 2, **{name: odd for name in names}}
            self.trace_path.write_text(json.dumps(
                {"traceEvents": [odd, {"args": odd},
                                 {"args": {"stall": True}, "name": odd}],
                 "belfry": about}))
            self.text()


@unittest.skipIf(SANITIZED, "a sanitized library cannot be preloaded")
class WithoutKvm(WithFolder):
    def test_no_call(self):
        trace = self.record("true")
        self.assertEqual(self.done.returncode, 0)
        self.assertEqual(trace["traceEvents"], [])
        self.assertEqual(trace["belfry"]["calls"], [])
        self.assertIsNone(trace["belfry"]["first_run_us"])
        self.assertIn("No KVM call.", self.text())

    def test_page_is_self_contained(self):
        self.record("true")
        for name, value in self.page.attributes:
            self.assertNotIn(name, ["src", "srcset", "action", "onload"])
            if name == "href":
                self.assertEqual(value, "data:,")
        style = self.page_path.read_text()
        for word in "http:", "https:", "@import", "url(":
            self.assertNotIn(word, style.replace(
                "http://www.w3.org/2000/svg", ""))

    def test_policy_of_the_page(self):
        """The page allows its own style and script, and nothing else."""
        self.record("true")
        policy, = (value for name, value in self.page.attributes
                   if name == "content" and "default-src" in value)
        style = self.page_path.read_text().split("<style>")[1]
        for text in style.split("</style>")[0], self.page.scripts[1]:
            digest = base64.b64encode(hashlib.sha256(text.encode()).digest())
            self.assertIn(f"'sha256-{digest.decode()}'", policy)
        for part in ("default-src 'none'", "base-uri 'none'",
                     "form-action 'none'"):
            self.assertIn(part, policy)
        self.assertNotIn("unsafe", policy)

    def test_page_has_what_its_script_looks_for(self):
        self.record("true")
        self.assertEqual(len(self.page.ids), len(set(self.page.ids)))
        words = self.page.scripts[1].split('byId("')[1:]
        for word in words:
            self.assertIn(word.split('"')[0], self.page.ids)

    def test_names_stay_names(self):
        words = ["true", "</script><script>x()</script>", "<!--<script>",
                 "&lt;\"'\\", "a\nb\x1b[2J", "\u20ac\U0001f514"]
        trace = self.record(*words)
        self.assertEqual(trace["belfry"]["command"], words)
        self.assertEqual(self.page.tags.count("script"), 2)
        self.assertNotIn("x()</script>", self.page_path.read_text())
        self.assertNotIn("\x1b", self.text())

    def test_bytes_that_are_no_text(self):
        words = [b"a\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80",
                 b"\xe2\x82", b"\xc3\xa9"]
        trace = self.record("true", *words)
        self.assertEqual(trace["belfry"]["command"][1],  "a\ufffd")
        self.assertEqual(trace["belfry"]["command"][6], "\u00e9")
        for word in trace["belfry"]["command"][2:6]:
            self.assertEqual(set(word), {"\ufffd"})

    def test_setting_with_control_characters(self):
        """The library says which settings it refuses."""
        env = os.environ | {"BELFRY_ZONES": "x\n" + CONTROLS}
        done = belfry("run", "--quiet", "true", env=env)
        for character in "\n" + CONTROLS:
            self.assertNotIn(f"x{character}", done.stderr.decode())
        self.assertIn(b"BELFRY_ZONES=x?", done.stderr)

    def test_full_disk(self):
        for option in "--trace", "--report":
            done = belfry("run", option, "/dev/full", "true", text=True)
            self.assertEqual(done.returncode, 0)
            self.assertIn("cannot write /dev/full", done.stderr)


@unittest.skipIf(SANITIZED, "a sanitized library cannot be preloaded")
class Outputs(WithFolder):
    """The files of --output, --trace and --report."""

    OPTIONS = "--output", "--trace", "--report"

    def setUp(self):
        super().setUp()
        self.file = self.folder / "file"

    def run_all(self, path, *command):
        """Runs belfry with each of the options; returns the results."""
        return [belfry("run", option, path, *command, text=True)
                for option in self.OPTIONS]

    def check_only(self, *names):
        self.assertEqual(sorted(os.listdir(self.folder)), sorted(names))

    def test_failed_run_leaves_the_old_file(self):
        self.file.write_text("old")
        for done in self.run_all(self.file, "/nonexistent/command"):
            self.assertEqual(done.returncode, 127)
            self.assertEqual(self.file.read_text(), "old")
        self.check_only("file")

    def test_old_file_stays_until_the_end(self):
        self.file.write_text("old")
        for option in self.OPTIONS:
            before = self.file.read_text()
            done = belfry("run", option, self.file, "cat", self.file)
            self.assertEqual(done.stdout.decode(), before)
            self.assertNotEqual(self.file.read_text(), before)
        self.check_only("file")

    def test_mode(self):
        self.file.touch()
        self.file.chmod(0o640)
        for done in self.run_all(self.file, "true"):
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(self.file.stat().st_mode & 0o7777, 0o640)
            self.assertGreater(self.file.stat().st_size, 0)
        self.file.unlink()
        old = os.umask(0o027)
        self.run_all(self.file, "true")
        os.umask(old)
        self.assertEqual(self.file.stat().st_mode & 0o7777, 0o640)

    def test_one_name_for_two(self):
        link = self.folder / "link"
        link.symlink_to(self.file)
        self.file.write_text("old")
        for name in (self.file, link, f"{self.folder}/./file",
                     f"{self.folder}/../{self.folder.name}/file"):
            for a, b in (self.OPTIONS[:2], self.OPTIONS[1:],
                         self.OPTIONS[::2]):
                self.check_line(2, "run", a, str(self.file), b, str(name),
                                "true")
        self.assertEqual(self.file.read_text(), "old")
        self.check_only("file", "link")

    def test_link_to_own_file(self):
        link = self.folder / "link"
        link.symlink_to(self.file)
        self.file.write_text("old")
        for done in self.run_all(link, "true"):
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertTrue(link.is_symlink())
            self.assertNotEqual(self.file.read_text(), "old")

    @unittest.skipIf(os.geteuid(), "only root makes files of other users")
    def test_link_of_another_user(self):
        link = self.folder / "link"
        link.symlink_to(self.file)
        os.lchown(link, 65534, 65534)
        self.file.write_text("old")
        for done in self.run_all(link, "true"):
            self.assertEqual(done.returncode, 1)
            self.assertIn("of another user", done.stderr)
            self.assertEqual(self.file.read_text(), "old")

    def test_devices(self):
        for done in self.run_all("/dev/null", "true"):
            self.assertEqual(done.returncode, 0, done.stderr)
        done = belfry("run", "--trace", "/dev/stdout", "true", text=True)
        json.loads(done.stdout)
        fifo = self.folder / "fifo"
        os.mkfifo(fifo)
        with subprocess.Popen(["cat", fifo], stdout=subprocess.PIPE) as cat:
            belfry("run", "--trace", fifo, "true")
            json.loads(cat.stdout.read())


# A command that attacks belfry run through the memory that it shares.
HOSTILE = """
import os, random, struct, sys, time
attack, seed = sys.argv[1:]
source = random.Random(int(seed))
files = [os.open(os.environ[name], os.O_RDWR)
         for name in ("BELFRY_RECORDING", "BELFRY_STATS")]

def spoil(sizes=(1, 2, 4, 8, 64, 4096)):
    for fd in files:
        data = source.randbytes(source.choice(sizes))
        at = source.randrange(os.fstat(fd).st_size - len(data))
        os.pwrite(fd, data, at)

if attack == "cut":
    for fd in files:
        try:
            os.ftruncate(fd, 0)
        except OSError:
            pass
elif attack == "stall": # one event, whose causes index a table
    event, room = "=7IiQQQ", 65536 + 16384
    at = os.fstat(files[0]).st_size - room * struct.calcsize(event)
    os.pwrite(files[0], struct.pack(event, 1, 0x4020ae46, 0, 1, 0, 2**32 - 1,
                                    2**32 - 1, 0, 1, 2**40, 0), at)
    os.pwrite(files[0], struct.pack("=Q", 1), 16) # their number
elif attack == "all":
    for fd in files:
        os.pwrite(fd, source.randbytes(os.fstat(fd).st_size), 0)
elif attack == "some":
    for n in range(2000):
        spoil()
elif os.fork() == 0: # "meanwhile"
    for fd in 0, 1, 2:
        os.close(fd)
    end = time.monotonic() + 2
    while time.monotonic() < end:
        spoil()
"""


@unittest.skipIf(SANITIZED, "a sanitized library cannot be preloaded")
class Hostile(WithFolder):
    """A command that writes anything to the shared memory."""

    def check(self, attack):
        trace = self.record(sys.executable, "-c", HOSTILE, attack, "1")
        self.assertEqual(self.done.returncode, 0, self.done.stderr)
        self.assertEqual(trace["belfry"]["version"], 2)
        return trace

    def test_file_is_cut(self):
        self.check("cut")

    def test_cause_of_a_stall(self):
        trace = self.check("stall")
        self.assertEqual(len(trace["belfry"]["remaining_stalls"]), 1)

    def test_all_bytes(self):
        self.check("all")

    def test_some_bytes(self):
        self.check("some")

    def test_bytes_that_change_meanwhile(self):
        self.check("meanwhile")

    def test_comparison(self):
        for attack in "cut", "stall", "all":
            done = belfry("compare", "--count", "1", "--json", "--",
                          sys.executable, "-c", HOSTILE, attack, "1",
                          text=True)
            if done.returncode == 0:
                json.loads(done.stdout)
            else:
                self.assertEqual((done.returncode,
                                  len(done.stderr.splitlines())), (1, 1),
                                 done.stderr)


@unittest.skipIf(SANITIZED, "a sanitized library cannot be preloaded")
@unittest.skipUnless(HAVE_KVM, "no /dev/kvm")
class WithKvm(WithFolder):
    def check_events(self, trace, nameless=()):
        """Checks Chrome's format, and the members that belfry adds."""
        self.assertEqual(chrome_trace.problems(trace), [])
        threads = {(event["pid"], event["tid"])
                   for event in trace["traceEvents"]
                   if event["ph"] == "M" and event["name"] == "thread_name"}
        threads.update(nameless)
        for event in trace["traceEvents"]:
            self.assertIn((event["pid"], event["tid"]), threads)
            self.assertIsInstance(event["args"], dict)
            self.assertEqual(event.get("s", "t"), "t")

    def events(self, trace, name):
        return [event for event in trace["traceEvents"]
                if event["name"] == name]

    def test_two_vms(self):
        trace = self.record(TESTVMM, "two-vms",
                            options=["--policy", "first-run"])
        self.check_events(trace)
        self.assertEqual(self.done.returncode, 0)
        for name in ("KVM_CREATE_VM", "KVM_CREATE_VCPU", "close(vm)",
                     "close(vcpu)", "first KVM_RUN", "doorbell assigned",
                     "doorbell installed"):
            found = self.events(trace, name)
            self.assertEqual([event["args"]["vm"] for event in found], [1, 2],
                             name)
        self.assertEqual([row["served_by"]
                          for row in trace["belfry"]["doorbells"]],
                         ["kernel", "kernel"])
        for vm in trace["belfry"]["vms"]:
            self.assertGreater(vm["ended_us"], vm["first_run_us"])
        self.assertIn("VM 2 mmio 0x20000 +4", self.text())

    def test_calls_match_histograms(self):
        trace = self.record(TESTVMM, "two-vms")
        self.assertTrue(trace["belfry"]["calls"])
        for call in trace["belfry"]["calls"]:
            buckets = call["histogram"]
            self.assertEqual(sum(count for _, _, count in buckets),
                             call["calls"])
            self.assertEqual(len(self.events(trace, call["name"])),
                             call["calls"])
            for start, end, _ in buckets:
                self.assertLess(start, end)
            self.assertLessEqual(call["p50_us"], call["p99_us"])
            self.assertLessEqual(call["p99_us"], call["longest_us"])

    def test_stalls_are_complete(self):
        trace = self.record(TESTVMM, "two-vms")
        calls = sum(call["stalls"] for call in trace["belfry"]["calls"])
        events = [event for event in trace["traceEvents"]
                  if event["args"].get("stall")]
        left = sum(entry["stalls"]
                   for entry in trace["belfry"]["remaining_stalls"])
        self.assertLessEqual(abs(len(events) - calls), 1)  # one of 1 ms
        self.assertEqual(left, len(events))
        self.assertEqual(self.text().count("KVM_IOEVENTFD (assign) [us]"), 1)

    def test_plain(self):
        trace = self.record(TESTVMM, "two-vms", options=["--plain"])
        self.assertEqual(trace["belfry"]["policy"], "plain")
        self.assertEqual(trace["belfry"]["saved"]["never_installed"], 0)
        self.assertEqual(len(trace["belfry"]["doorbells"]), 2)
        self.assertFalse(self.events(trace, "doorbell installed"))

    def test_never_signals_in_user_space(self):
        trace = self.record(TESTVMM, "two-vms",
                            options=["--policy", "never"])
        self.check_events(trace)
        self.assertFalse(self.events(trace, "doorbell installed"))
        self.assertEqual(trace["belfry"]["saved"]["installed"], 0)
        for row in trace["belfry"]["doorbells"]:
            self.assertEqual(row["served_by"], "user space")
            self.assertGreater(row["signals"], 0)

    def test_refused_doorbell_signals(self):
        trace = self.record(TESTVMM, "refused",
                            options=["--policy", "first-run"])
        row, = trace["belfry"]["doorbells"]
        self.assertEqual(row["signals"], 1000)
        self.assertEqual(row["refused"], 1)
        self.assertIn("refused", row["served_by"])
        self.assertIsNotNone(row["first_signal_us"])
        signal, = self.events(
            trace, "doorbell signalled in user space, first time")
        self.assertEqual(signal["args"]["address"], "0x20000")
        runs = self.events(trace, "KVM_RUN")
        self.assertEqual(sum(run["args"]["calls"] for run in runs), 1)

    def test_both_spaces(self):
        trace = self.record(TESTVMM, "exits")
        self.check_events(trace)
        spaces = {row["space"] for row in trace["belfry"]["doorbells"]}
        self.assertEqual(spaces, {"mmio", "pio"})

    def test_killed(self):
        trace = self.record(TESTVMM, "deassigned")
        self.check_events(trace)
        self.assertEqual(self.done.returncode, 128 + 9)
        self.assertEqual(trace["belfry"]["status"], 128 + 9)
        self.assertEqual(trace["belfry"]["saved"]["never_installed"], 3)
        self.assertEqual(len(trace["belfry"]["doorbells"]), 3)
        self.assertEqual(len(self.events(trace, "KVM_CREATE_VCPU")), 1)

    def test_cut_off(self):
        self.record(TESTVMM, "two-vms")
        whole = self.trace_path.read_bytes()
        for part in 1, len(whole) // 2, len(whole) - 2:
            self.trace_path.write_bytes(whole[:part])
            done = belfry("report", self.trace_path, text=True)
            self.assertEqual(done.returncode, 1)
            self.assertEqual(len(done.stderr.splitlines()), 1)
            self.assertIn("cut off", done.stderr)

    def test_many_threads(self):
        trace = self.record(TESTVMM, "many-threads",
                            options=["--events", "32768"])
        self.check_events(trace)
        threads = self.events(trace, "thread_name")
        self.assertEqual(len(threads), 81)
        self.assertEqual(trace["belfry"]["dropped"]["events"], 0)
        asked = [call for call in trace["belfry"]["calls"]
                 if call["name"] == "KVM_CHECK_EXTENSION"]
        self.assertEqual(len(self.events(trace, "KVM_CHECK_EXTENSION")),
                         asked[0]["calls"])

    def test_overflow_is_counted(self):
        trace = self.record(TESTVMM, "many-threads",
                            options=["--events", "128"])
        dropped = trace["belfry"]["dropped"]["events"]
        counted = [event for event in trace["traceEvents"]
                if event["ph"] == "X" and event["cat"] != "run"]
        calls = sum(call["calls"] for call in trace["belfry"]["calls"])
        self.assertEqual(len(counted) + dropped, calls)
        self.assertGreater(dropped, 80 * 200 / 2)
        self.assertEqual(len(self.events(trace, "close(vm)")), 1)
        self.assertIn(f"No room: {dropped} events", self.text())

    def test_stall_behind_the_irqchip(self):
        trace = self.record(TESTVMM, "irqchip")
        memory = self.events(trace, "KVM_SET_USER_MEMORY_REGION")
        self.assertEqual(len(memory), 2)
        if not memory[1]["args"].get("stall"):
            self.skipTest("this kernel did not stall")
        self.assertEqual(memory[1]["args"]["behind"], OF_IRQCHIP)
        self.assertEqual([entry["irqchip"]
                          for entry in trace["belfry"]["remaining_stalls"]
                          if entry["behind"]], [True])

    def test_children_are_processes(self):
        trace = self.record(TESTVMM, "fork")
        self.check_events(trace)
        self.assertEqual(len(self.events(trace, "process_name")), 2)
        self.assertEqual(len(trace["belfry"]["vms"]), 2)

    def test_untracked_vms_have_no_doorbells(self):
        trace = self.record(TESTVMM, "raw-vm")
        self.check_events(trace)
        for row in trace["belfry"]["doorbells"]:
            self.assertGreater(row["vm"], 0)

    def test_scenarios_give_valid_traces(self):
        for scenario in ("threads", "vfork", "vm-end", "kick", "passthrough",
                         "close-all", "received", "pidfd", "raw-vm",
                         "close-while-signalling", "zone-order", "seccomp",
                         "seccomp-mild", "kick-flag"):
            self.check_events(self.record(TESTVMM, scenario))

    def test_output_is_the_same(self):
        for scenario in "exits", "two-vms", "fds", "fork":
            alone = subprocess.run([TESTVMM, scenario], timeout=60,
                                   capture_output=True, check=False)
            self.record(TESTVMM, scenario)
            self.assertEqual(self.done.stdout, alone.stdout)

    def test_recording_kills_no_filtered_vmm(self):
        for scenario in ("forbidden", "forbidden-late", "forbidden-vcpu",
                         "refused-calls"):
            alone = subprocess.run([TESTVMM, scenario], timeout=60,
                                   capture_output=True, check=False)
            trace = self.record(TESTVMM, scenario, options=[
                "--install-after", "16", "--quiet-ms", "1"])
            self.check_events(trace, nameless=[(0, 0)])
            self.assertEqual(self.done.stdout, alone.stdout)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
