#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Generate a C source with the page of --report, before and after its data.

usage: embed.py OUTPUT FILE...

The template is the file *.html.  In it a line "@STYLE@" stands for the files
*.css, "@SCRIPT@" for the files *.js in their order, and "@DATA@" for the data.
The policy of the page allows the style and the script by their hashes, which
stand for "@STYLE_HASH@" and "@SCRIPT_HASH@".
"""
import base64
import hashlib
import re
import sys
from pathlib import Path

BYTES_A_LINE = 16


def read(paths, suffix):
    return "\n".join(path.read_text(encoding="utf-8") for path in paths
                     if path.suffix == suffix)


def hash_of(tag, page):
    """The hash of the text of an element that has no attributes."""
    text, = re.findall(f"<{tag}>(.*?)</{tag}>", page, re.S)
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def fill_in(paths):
    page = read(paths, ".html")
    for line, suffix in ("@STYLE@", ".css"), ("@SCRIPT@", ".js"):
        page = page.replace(f"\n{line}\n", f"\n{read(paths, suffix)}\n")
    for word, tag in ("@STYLE_HASH@", "style"), ("@SCRIPT_HASH@", "script"):
        page = page.replace(word, hash_of(tag, page))
    return page.split("@DATA@\n")


def array(name, text):
    data = text.encode() + b"\0"
    lines = [", ".join(str(byte - 256 if byte > 127 else byte)
                       for byte in data[i:i + BYTES_A_LINE])
             for i in range(0, len(data), BYTES_A_LINE)]
    return f"const char {name}[] = {{\n\t" + ",\n\t".join(lines) + ",\n};\n"


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__.strip())
    output, *files = map(Path, sys.argv[1:])
    before, after = fill_in(files)
    if "\0" in before + after:
        sys.exit("embed.py: a file has a zero byte, which ends a string")
    output.write_text('#include "tools/belfry/trace/template.h"\n\n'
                      + array("page_before_data", before) + "\n"
                      + array("page_after_data", after))


main()
