# SPDX-License-Identifier: MIT
"""Helpers for the tests that boot QEMU."""
import os
import sys
from pathlib import Path

sys.dont_write_bytecode = True  # writes nothing to the source tree
sys.path.insert(0, str(Path(sys.argv[1], "scripts")))

import qemu_boot

failures = []


def check(condition, text):
    print(f"{'ok' if condition else 'FAILED'}: {text}", flush=True)
    if not condition:
        failures.append(text)


def main(test):
    """Runs a test.  Returns 77 if the machine or the build cannot run it."""
    missing = qemu_boot.missing()
    if os.environ.get("BELFRY_SANITIZED"):
        missing = "a sanitized library cannot be preloaded"
    if missing:
        print(f"skipped: {missing}")
        return 77
    try:
        test()
    except qemu_boot.BootFailed as failure:
        check(False, str(failure))
    return 1 if failures else 0
