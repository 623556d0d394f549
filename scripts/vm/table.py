# SPDX-License-Identifier: MIT
"""Tables of a run, in Markdown: the tests, and the stalls, of each kernel."""
from .library import SKIPPED

ROWS = ["1 ioeventfd, memslot", "16 x (4 ioeventfds, memslot)",
        "deassign after assign", "close after assign",
        "assign, each of 64", "deassign, each of 64"]


def by_kernel(results):
    kernels = {}
    for result in results:
        kernels.setdefault(result["kernel"], {})[result["test"]] = result
    return kernels


def parts(result, test):
    """The results that a guest printed for a test."""
    return [part for part in (result or {}).get("results", [])
            if part["test"] == test]


def row(*cells):
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def passed(program):
    """Its cases; a program that has none is one."""
    return program["passed"] or int(program["status"] == 0)


def cases(library):
    """Cases of the library's tests, and programs that failed."""
    programs = parts(library, "program")
    if not programs:
        return ["", "", "", ""]
    calls = sum(program["calls"] for program in programs)
    return [sum(map(passed, programs)),
            sum(program["status"] not in (0, SKIPPED)
                for program in programs),
            sum(program["skipped"] for program in programs), f"{calls:,}"]


def tests_table(kernels):
    yield row("kernel", "tests of the module", "failed", "cases", "failed",
              "skipped", "compared calls")
    yield row("---", "---", "---", *["---:"] * 4)
    for name, tests in kernels.items():
        failed = [test for test, result in tests.items() if result["failure"]]
        yield row(name, " ".join(tests), " ".join(failed),
                  *cases(tests.get("library")))


def figures(stall):
    """(row, alone, plain, belfry, module) of belfry stall."""
    found = {part["label"]: {row["name"]: row for row in part["found"] or []}
             for part in parts(stall, "stall")}
    for name in ROWS:
        without = found.get("library", {}).get(name)
        if without:
            loaded = found.get("module", {}).get(name, {})
            yield [name] + [f"{value:,.0f}" if value else "" for value in (
                without.get("alone"), without["plain"], without["belfry"],
                loaded.get("module"))]


def stalls_table(kernels):
    yield row("kernel", "row, us", "alone", "plain", "belfry", "module")
    yield row("---", "---", *["---:"] * 4)
    for name, tests in kernels.items():
        for cells in figures(tests.get("stall")):
            yield row(name, *cells)


def tables(results):
    kernels = by_kernel(results)
    return [*tests_table(kernels), "", *stalls_table(kernels)]
