#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Make the C source that holds the page's template.

usage: embed.py OUTPUT FILE...

FILE page.css becomes template_css: its bytes, and a zero after them.
"""
import sys
from pathlib import Path

BYTES_A_LINE = 16


def array(path):
    data = path.read_bytes()
    if b"\0" in data:
        sys.exit(f"embed.py: {path} has a zero byte, which would end it")
    data += b"\0"
    lines = [", ".join(str(byte - 256 if byte > 127 else byte)
                       for byte in data[i:i + BYTES_A_LINE])
             for i in range(0, len(data), BYTES_A_LINE)]
    return (f"const char template_{path.suffix[1:]}[] = {{\n\t"
            + ",\n\t".join(lines) + ",\n};\n")


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__.strip())
    output, *files = map(Path, sys.argv[1:])
    output.write_text('#include "trace/template.h"\n\n'
                      + "\n".join(array(file) for file in files))


main()
