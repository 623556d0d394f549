#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The library has exactly the probes that belfry/io_stats.h documents.

usage: test_probes.py SOURCE LIBRARY

Exits with 77 if the library was built without <sys/sdt.h>, or without readelf.
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
    built_in = built(sys.argv[2])
    if not built_in:
        print("skipped: built without <sys/sdt.h>")
        return 77
    in_header = documented(sys.argv[1])
    for name in sorted(built_in | in_header):
        print(f"{name}: documented {name in in_header},"
              f" built in {name in built_in}")
    return 0 if built_in == in_header else 1


if __name__ == "__main__":
    sys.exit(main())
