#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests of the page of belfry run --report, in a browser.

usage: test_page.py SOURCE BELFRY

Exits 77 if there is no Chromium, or the build has a sanitizer: a sanitized
library cannot be preloaded.
"""
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True  # writes nothing to the source tree
SOURCE, BELFRY = sys.argv[1:3]
sys.path.insert(0, str(Path(SOURCE, "tests", "tools")))

from browser import CTRL, Browser, chromium

WIDE, NARROW, HEIGHT = 1280, 360, 900
STALL = "#timeline rect.stall"
SVG = "#timeline svg"

END_US = 100000
STALL_US = 20000, 6000


def event(tid, name, ts, dur=None, cat="ioctl", **args):
    common = {"pid": 7, "tid": tid, "name": name, "cat": cat, "ts": ts,
              "args": args}
    return common | ({"ph": "i", "s": "t"} if dur is None
                     else {"ph": "X", "dur": dur})


EVENTS = [
    *({"pid": 7, "tid": tid, "ph": "M", "name": "thread_name",
       "args": {"name": name}} for tid, name in ((7, "main"), (8, "vcpu"))),
    event(7, "KVM_CREATE_VM", 1000, 500, vm=1),
    event(7, "KVM_SET_USER_MEMORY_REGION", *STALL_US, cat="ioctl,stall",
          vm=1, stall=True, behind="KVM_IOEVENTFD"),
    event(7, "doorbell assigned", 30000, cat="doorbell", vm=1, space="mmio",
          address="0x20000", length=4),
    event(8, "KVM_RUN", 40000, 60000, cat="run", vm=1, vcpu=0, calls=3),
    event(8, "first KVM_RUN", 40000, cat="run", vm=1, vcpu=0),
]
CALL = {"name": "KVM_SET_USER_MEMORY_REGION", "calls": 2, "errors": 0,
        "total_us": 6040, "p50_us": 40, "p90_us": 6000, "p99_us": 6000,
        "longest_us": 6000, "stalls": 1, "stalled_us": 6000,
        "histogram": [[40, 44, 1], [5800, 6100, 1]]}
DOORBELL = {"vm": 1, "space": "mmio", "address": "0x20000", "length": 4,
            "datamatch": None, "served_by": "user space",
            "assigned_now": True, "signals": 3, "assigned": 1,
            "deassigned": 0, "never_installed": 0,
            "installed": 0, "refused": 0, "assigned_us": 30000,
            "first_signal_us": 41000, "installed_us": None}


def write_page(path, first_run_us=40000):
    """Writes a page with a trace that is always the same."""
    subprocess.run([BELFRY, "run", "--report", path, "true"], check=True,
                   stderr=subprocess.DEVNULL, timeout=60)
    before, data, after = re.split(
        r'(?<=id="trace">)(.*?)(?=</script>)', path.read_text(), maxsplit=1,
        flags=re.S)
    trace = json.loads(data)
    trace["traceEvents"] = EVENTS
    trace["belfry"] |= {"end_us": END_US, "first_run_us": first_run_us,
                        "stalled_before_run_us": 6000, "calls": [CALL],
                        "doorbells": [DOORBELL],
                        "remaining_stalls": [
                            {"behind": "KVM_IOEVENTFD", "stalls": 1,
                             "stalled_us": 6000, "irqchip": False}]}
    path.write_text(before + json.dumps(trace) + after)


class Page(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = cls.enterClassContext(tempfile.TemporaryDirectory())
        cls.path = Path(folder, "page.html")
        write_page(cls.path)
        cls.browser = cls.enterClassContext(Browser())

    def setUp(self):
        self.browser.resize(WIDE, HEIGHT)
        self.browser.prefer("light")
        self.browser.open(self.path)
        self.do("all")

    def tearDown(self):
        self.assertEqual(self.browser.errors, [])

    def box(self, selector):
        """The edges of an element: left, top, right, bottom."""
        return self.browser.run(
            f"(({{left, top, right, bottom}}) => [left, top, right, bottom])"
            f"(document.querySelector('{selector}').getBoundingClientRect())")

    def center(self, selector):
        left, top, right, bottom = self.box(selector)
        return (left + right) / 2, (top + bottom) / 2

    def text(self, selector):
        return self.browser.run(
            f"document.querySelector('{selector}').textContent")

    def view(self):
        """The start and the end of the timeline's view, in ms."""
        words = self.text("#window").split()
        return float(words[0]), float(words[3])

    def check_view(self, start, end):
        for shown, expected in zip(self.view(), (start, end)):
            self.assertAlmostEqual(shown, expected, delta=0.01)

    def click(self, selector):
        self.browser.click(*self.center(selector))

    def do(self, name):
        self.click(f'button[data-do="{name}"]')

    def tab_to(self, selector):
        for _ in range(20):
            self.browser.press("Tab")
            if self.browser.run("document.activeElement === "
                                f"document.querySelector('{selector}')"):
                return
        self.fail(f"no Tab comes to {selector}")

    def test_opens_on_the_start(self):
        self.browser.open(self.path)
        self.check_view(0, 42)

    def test_opens_on_all_without_a_run(self):
        path = self.path.with_name("no-run.html")
        write_page(path, first_run_us=None)
        self.browser.open(path)
        self.check_view(0, 100)

    def test_buttons(self):
        self.check_view(0, 100)
        self.do("in")
        self.check_view(25, 75)
        self.do("left")
        self.check_view(0, 50)
        self.do("right")
        self.check_view(25, 75)
        self.do("out")
        self.check_view(0, 100)
        self.do("out")
        self.check_view(0, 100)
        self.do("start")
        self.check_view(0, 42)
        self.do("all")
        self.check_view(0, 100)

    def test_keys(self):
        self.tab_to(SVG)
        for key, view in (("+", (25, 75)), ("ArrowLeft", (0, 50)),
                          ("ArrowRight", (25, 75)), ("-", (0, 100)),
                          ("s", (0, 42)), ("0", (0, 100)),
                          ("=", (25, 75))):
            self.browser.press(key)
            self.check_view(*view)
        self.browser.press("-", modifiers=CTRL)  # zooms the page
        self.check_view(25, 75)
        self.tab_to("#stalls button")
        self.browser.press("0")
        self.check_view(25, 75)

    def test_zoom_to_the_limits(self):
        self.tab_to(SVG)
        for _ in range(60):
            self.browser.press("+")
        start, end = self.view()
        self.assertLess(end - start, 0.01)
        for _ in range(60):
            self.browser.press("-")
        self.check_view(0, 100)

    def test_wheel(self):
        """The point under the pointer must stay in place."""
        x, y = self.center(STALL)
        left, _, right, _ = self.box(STALL)
        self.browser.wheel(x, y, -100, modifiers=CTRL)
        self.assertAlmostEqual(self.center(STALL)[0], x, delta=1)
        now_left, _, now_right, _ = self.box(STALL)
        self.assertAlmostEqual((now_right - now_left) / (right - left), 1.25,
                               delta=0.02)
        self.browser.wheel(x, y, 100, modifiers=CTRL)
        self.check_view(0, 100)

    def test_wheel_alone_scrolls(self):
        self.browser.resize(WIDE, 300)
        self.browser.run("document.querySelector('#timeline')"
                         ".scrollIntoView()")
        before = self.browser.run("scrollY")
        self.browser.wheel(*self.center(STALL), 200)
        self.browser.run("""new Promise((done) => {
            const look = () => scrollY > %f ? done() :
                requestAnimationFrame(look);
            look();
        })""" % before)
        self.check_view(0, 100)

    def test_double_click(self):
        x, y = self.center(STALL)
        self.browser.click(x, y, times=2)  # on a whole pixel
        self.assertAlmostEqual(self.center(STALL)[0], x, delta=3)
        start, end = self.view()
        self.assertAlmostEqual(end - start, 40, delta=0.01)

    def test_drag(self):
        self.do("in")
        x, y = self.center(STALL.replace("stall", "run"))
        start, end = self.view()
        left, _, right, _ = self.box(SVG)
        self.browser.drag(x, x + 100, y)
        moved = start - self.view()[0]
        self.assertGreater(moved, 0)
        self.check_view(start - moved, end - moved)
        self.browser.drag(x + 100, x, y)
        self.check_view(start, end)
        # The view stops at the end of the trace.
        for _ in range(3):
            self.browser.drag(right - 5, left + 200, y)
        self.check_view(50, 100)

    def test_drag_continues_outside(self):
        self.do("in")
        x, y = self.center(SVG)
        self.browser.mouse("mousePressed", x, y, button="left", clickCount=1)
        self.browser.mouse("mouseMoved", x + 50, 5, button="left", buttons=1)
        start = self.view()[0]
        self.assertLess(start, 25)
        self.browser.mouse("mouseReleased", x + 50, 5, button="left")
        self.browser.mouse("mouseMoved", x, y)
        self.browser.mouse("mouseMoved", x - 50, y)
        self.assertEqual(self.view()[0], start)

    def test_only_one_button_drags(self):
        self.do("in")
        x, y = self.center(SVG)
        self.browser.mouse("mousePressed", x, y, button="middle",
                           clickCount=1)
        self.browser.mouse("mouseMoved", x + 50, y, button="middle",
                           buttons=4)
        self.browser.mouse("mouseReleased", x + 50, y, button="middle")
        self.check_view(25, 75)

    def test_cancelled_drag(self):
        """A touch that turns into scrolling cancels the drag."""
        self.do("in")
        x, y = self.center(SVG)
        self.browser.mouse("mousePressed", x, y, button="left", clickCount=1)
        self.browser.run(f"document.querySelector('{SVG}').dispatchEvent("
                         "new PointerEvent('pointercancel'))")
        self.browser.mouse("mouseMoved", x + 50, y, button="left", buttons=1)
        self.check_view(25, 75)
        self.browser.mouse("mouseReleased", x + 50, y, button="left")

    def test_pointing(self):
        self.browser.mouse("mouseMoved", *self.center(STALL))
        shown = self.text("#hover")
        for word in ("KVM_SET_USER_MEMORY_REGION", "6.00 ms", "at 20.000 ms",
                     "main 7", "VM 1", "behind KVM_IOEVENTFD"):
            self.assertIn(word, shown)
        left, top, right, bottom = self.box(STALL)
        around = self.box("#timeline rect.picked")
        self.assertLess(around[0], left)
        self.assertGreater(around[2], right)
        self.assertLess(around[1], top)
        self.assertGreater(around[3], bottom)
        self.browser.mouse("mouseMoved", *self.center("#timeline path.mark"))
        self.assertIn("mmio 0x20000 +4", self.text("#hover"))
        self.browser.mouse("mouseMoved", *self.center("#timeline rect.run"))
        self.assertIn("3 calls", self.text("#hover"))
        # On an empty place the last text stays.
        left, top, _, _ = self.box(SVG)
        self.browser.mouse("mouseMoved", left + 3, top + 3)
        self.assertIn("3 calls", self.text("#hover"))

    def test_names_fit_their_stalls(self):
        self.do("start")
        named = 0
        for _ in range(8):
            self.browser.wheel(*self.center(STALL), -100, modifiers=CTRL)
            if self.browser.run("!document.querySelector('text.on-stall')"):
                continue
            named += 1
            text, stall = self.box("text.on-stall"), self.box(STALL)
            self.assertGreater(text[0], stall[0])
            self.assertLess(text[2], stall[2])
        self.assertGreater(named, 0)

    def test_touch(self):
        x, y = self.center(STALL)
        for kind, points in (("touchStart", [{"x": x, "y": y}]),
                             ("touchEnd", [])):
            self.browser.call("Input.dispatchTouchEvent", type=kind,
                              touchPoints=points)
        self.assertIn("6.00 ms", self.text("#hover"))

    def test_show(self):
        self.tab_to("#stalls button")
        self.browser.press("Enter")
        start, end = self.view()
        self.assertLess(start, 20)
        self.assertGreater(end, 26)
        self.assertLess(end - start, 50)
        self.assertIn("6.00 ms", self.text("#hover"))
        left, top, right, bottom = self.box("#timeline rect.picked")
        self.assertGreaterEqual(left, 0)
        self.assertLessEqual(right, WIDE)
        self.assertGreaterEqual(top, 0)
        self.assertLessEqual(bottom, HEIGHT)

    def test_tooltips(self):
        self.assertIn("1 call of 5.80 ms to 6.10 ms",
                      self.text("#calls svg rect.stall title"))
        self.assertEqual(self.text("#timeline text title"), "main 7")
        x, y = self.center("#timeline text.name")
        self.assertEqual(self.browser.run(
            f"document.elementFromPoint({x}, {y}).tagName"), "text")

    def test_widths(self):
        for width in NARROW, 700, WIDE:
            self.browser.resize(width, HEIGHT)
            self.assertEqual(
                self.browser.run("document.documentElement.scrollWidth"),
                self.browser.run("document.documentElement.clientWidth"))
            drawn = self.browser.run(
                f"document.querySelector('{SVG}').viewBox.baseVal.width")
            self.assertEqual(drawn, self.browser.run(
                "document.querySelector('#timeline').clientWidth"))
            _, _, right, _ = self.box("#timeline rect.run")
            self.assertLessEqual(right, width)

    def brightness(self, selector, what):
        color = self.browser.run(f"getComputedStyle(document.querySelector("
                                 f"'{selector}')).{what}")
        return sum(float(n) for n in re.findall(r"[\d.]+", color)[:3]) / 3

    def test_schemes(self):
        for scheme, is_dark in ("light", False), ("dark", True):
            self.browser.prefer(scheme)
            paper = self.brightness("body", "backgroundColor")
            self.assertEqual(paper < 128, is_dark)
            for selector, what in (("body", "color"), ("th", "color"),
                                   ("#hover", "color"), (STALL, "fill"),
                                   ("#timeline text", "fill")):
                self.assertGreater(
                    abs(self.brightness(selector, what) - paper), 60,
                    (scheme, selector))


if __name__ == "__main__":
    if os.environ.get("BELFRY_SANITIZED"):
        print("skipped: a sanitized library cannot be preloaded")
        sys.exit(77)
    if not chromium():
        print("skipped: no chromium")
        sys.exit(77)
    unittest.main(argv=sys.argv[:1])
