#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each command takes the options that its help, its man page and the
completions of bash and zsh list, and no other.

usage: test_options.py SOURCE BELFRY LIST_OPTIONS

LIST_OPTIONS is a library that is preloaded into belfry.  Each command takes
--help and --version; the completions need not offer these.
"""
import os
import re
import shutil
import subprocess
import sys
import unittest
from pathlib import Path

SOURCE = Path(sys.argv[1]).resolve()
BELFRY, LIST_OPTIONS = (str(Path(arg).resolve()) for arg in sys.argv[2:4])

LAYERS = ("io_bus", "memslots", "srcu", "vcpus")
COMMANDS = ("compare", "doctor", "doorbell", "report", "run", "stall",
            *(f"{command} {layer}" for command in ("bench", "torture")
              for layer in LAYERS))
COMMON = {"-h", "-V", "--help", "--version"}
REFUSED = {"--rings"}  # a former name: the message has the present one

BASH = """source "$1"; shift
COMP_WORDS=("$@" --); COMP_CWORD=$#
_belfry; printf '%s\\n' "${COMPREPLY[@]}"
"""

# The builtin compadd works in a completion alone.
ZSH = """compadd() { shift; print -l -- "$@" }
_files() { }; _normal() { }
file=$1; shift
words=("$@" --); CURRENT=$#words; PREFIX=--
source $file
"""


def output(*command, **variables):
    return subprocess.run(command, env={**os.environ, **variables}, check=True,
                          stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=60).stdout


def helped(command):
    """The options of a help text: the short ones and the long ones."""
    return set(re.findall(r"^  (?:(?:-\w, )?--[\w-]+)", output(
        BELFRY, *command.split(), "--help"), re.M))


def split(options):
    return {name for option in options for name in
            option.strip().split(", ")} - COMMON


def man_page(command):
    return (SOURCE / f"man/belfry-{command.split()[0]}.1").read_text()


def flags(lines):
    return {("--" if double else "-") + name for line in lines
            for double, name in re.findall(r"\bFl (Fl )?([a-z][\w-]*)", line)}


def synopsis(command):
    """The options of all forms of a command."""
    forms = man_page(command).split(".Sh DESCRIPTION")[0].split(".Nm belfry\n")
    return flags(line for form in forms if f".Cm {command}\n" in form
                 for line in form.split("\n"))


def completed(shell, script, name, command):
    return {line for line in output(
        shell, "-c", script, shell, str(SOURCE / "completions" / name), BELFRY,
        *command.split()).split("\n") if line.startswith("--")} - COMMON


class Options(unittest.TestCase):
    maxDiff = None

    def each(self, found, expected):
        for command in COMMANDS:
            with self.subTest(command=command):
                self.assertEqual(found(command), expected(command))

    def test_help_lists_what_the_command_takes(self):
        self.each(lambda command: split(helped(command)),
                  lambda command: set(output(
                      BELFRY, *command.split(), LD_PRELOAD=LIST_OPTIONS
                  ).split()) - COMMON - REFUSED)

    def test_man_page(self):
        for page in {command.split()[0] for command in COMMANDS}:
            with self.subTest(page=page):
                items = flags(line for line in man_page(page).split("\n")
                              if line.startswith(".It"))
                options = set().union(*(split(helped(command))
                                        for command in COMMANDS
                                        if command.split()[0] == page))
                if options:
                    self.assertIn("--help", items)
                self.assertEqual(items - COMMON, options)

    def test_synopsis_has_each_option_by_one_of_its_names(self):
        for command in COMMANDS:
            with self.subTest(command=command):
                listed = synopsis(command)
                for option in helped(command):
                    names = split([option])
                    self.assertTrue(names & listed, option)
                    listed -= names
                self.assertEqual(listed, set())

    def test_bash(self):
        self.each(lambda command: completed("bash", BASH, "belfry.bash",
                                            command),
                  lambda command: {option for option in split(helped(command))
                                   if option.startswith("--")})

    @unittest.skipUnless(shutil.which("zsh"), "there is no zsh")
    def test_zsh(self):
        self.each(lambda command: completed("zsh", ZSH, "_belfry", command),
                  lambda command: {option for option in split(helped(command))
                                   if option.startswith("--")})

    def test_commands(self):
        self.assertEqual(
            {command.split()[0] for command in COMMANDS},
            set(re.findall(r"^  ([a-z]+)  ", output(BELFRY, "--help"), re.M)))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
