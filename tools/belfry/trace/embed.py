#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Generate a C source with the files of the page's template.

usage: embed.py OUTPUT FILE...

The array template_css has the bytes of page.css and a zero.  Files of the same
suffix become one array, in their order.
"""
import sys
from pathlib import Path

BYTES_A_LINE = 16


def read(path):
    data = path.read_bytes()
    if b"\0" in data:
        sys.exit(f"embed.py: {path} has a zero byte, which ends a string")
    return data


def array(suffix, paths):
    data = b"\n".join(map(read, paths)) + b"\0"
    lines = [", ".join(str(byte - 256 if byte > 127 else byte)
                       for byte in data[i:i + BYTES_A_LINE])
             for i in range(0, len(data), BYTES_A_LINE)]
    return (f"const char template_{suffix[1:]}[] = {{\n\t"
            + ",\n\t".join(lines) + ",\n};\n")


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__.strip())
    output, *files = map(Path, sys.argv[1:])
    kinds = {}
    for file in files:
        kinds.setdefault(file.suffix, []).append(file)
    output.write_text('#include "tools/belfry/trace/template.h"\n\n'
                      + "\n".join(array(*kind) for kind in kinds.items()))


main()
