#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The library has the probes that belfry/io_stats.h tells of, and no others.

usage: test_probes.py SOURCE LIBRARY

Exits 77 where it was built without <sys/sdt.h>, or there is no readelf.
"""
import re
import shutil
import subprocess
import sys
from pathlib import Path


def documented(source):
    header = Path(source, "include/belfry/io_stats.h").read_text()
    return set(re.findall(r"^ \* {3}(io_\w+)\(", header, re.MULTILINE))


def built(library):
    notes = subprocess.run(["readelf", "--notes", library], check=True,
                           capture_output=True, text=True).stdout
    return set(re.findall(r"Provider: belfry\s+Name: (\w+)", notes))


def main():
    if not shutil.which("readelf"):
        print("skipped: no readelf")
        return 77
    there = built(sys.argv[2])
    if not there:
        print("skipped: built without <sys/sdt.h>")
        return 77
    told = documented(sys.argv[1])
    for name in sorted(there | told):
        print(f"{name}: documented {name in told}, there {name in there}")
    return 0 if there == told else 1


if __name__ == "__main__":
    sys.exit(main())
