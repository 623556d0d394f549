# SPDX-License-Identifier: MIT
"""The library's tests and `belfry stall` inside a kernel.

The programs of a build folder have the same paths in the guest.
"""
import json
import re
import shlex
import shutil
import tempfile
from pathlib import Path

from . import arch, debian, kmod
from .kmod import Failed, check_common, one

SCRIPTS = Path(__file__).resolve().parent

RULES = kmod.TOP / "examples/operators/apparmor"

# It has what a libvirt domain's has for a VMM without files.
PROFILE = """#include <tunables/global>
profile vmm-{rules} /bin/vmm-{rules} flags=(attach_disconnected) {{
  #include <abstractions/base>
  network,
  /bin/vmm-{rules} mr,
  /dev/kvm rw,
  /dev/console rw,
{include}}}
"""

# The other tests run Python, QEMU or shell scripts.
FOLDERS = ("tests/test_", "tests/preload/differential",
           "tests/preload/test_gp_", "tests/preload/test_preload",
           "tests/preload/test_record",
           "tools/belfry")

# cli_doorbell needs the folder that it runs in; bench_bus and srcu_wake measure
# the machine; memslots_pin_broken must fail.  The others let each allocation
# fail in turn, or stand in for another page size: the kernel has no part in
# that, and it takes minutes in an emulated guest.
LEFT_OUT = re.compile(
    "cli_doorbell|bench_bus|srcu_wake|memslots_pin_broken|io_bus_oom"
    "|io_clear|memslots_oom|span_tree|.*_page_[0-9]+")

# They start hundreds of programs and may take minutes: by --match alone.
SLOW = re.compile("preload.*")

# The arguments in a guest, which executes some 30 times less in a second.
ARGUMENTS = {
    "differential": {1: "2600"},  # calls; 20,000 in all
    "test_io_bus_model": {0: "1"},  # seeds
    "test_memslots_model": {0: "50000"},  # changes
    "test_vcpus_model": {0: "5000"},  # calls of each run
}
SKIPPED = 77


def build_of(kernel):
    """The build folder whose programs run in a kernel."""
    return kmod.TOP / ("build" if kernel.release.arch is arch.AMD64
                       else "build-ci/aarch64")


def tests_of_build(build):
    """(name, environment, words) of the tests that a guest can run."""
    for test in json.loads(debian.run("meson", "introspect", "--tests",
                                      build)):
        program = Path(test["cmd"][0])
        if build in program.parents and \
                not LEFT_OUT.fullmatch(test["name"]) and \
                str(program.relative_to(build)).startswith(FOLDERS):
            yield test["name"], test["env"], words_of(test["cmd"])


def words_of(command):
    program, *words = command
    for place, word in ARGUMENTS.get(Path(program).name, {}).items():
        words[place:place + 1] = [word]
    return [program, *words]


def command_line(name, environment, words):
    values = [f"{key}={shlex.quote(value)}"
              for key, value in environment.items()]
    return " ".join([name, *values, *map(shlex.quote, words)])


def add_tests(initramfs, build, match):
    """Build the tests and add them, with the files that they name."""
    tests = [test for test in tests_of_build(build)
             if (re.search(match, test[0]) if match else
                 not SLOW.fullmatch(test[0]))]
    files = {Path(word) for _, environment, words in tests
             for word in [words[0], *environment.values()]
             if word.startswith(f"{build}/")}
    files |= {build / word for *_, words in tests for word in words[1:]
              if word.startswith("src/")}
    debian.run("ninja", "-C", build, *sorted(
        str(path.relative_to(build)) for path in files if not path.is_dir()))
    for path in files:
        if path.is_file():
            initramfs.program(path, str(path).lstrip("/"))
    initramfs.add("tests", "".join(f"{command_line(*test)}\n"
                                   for test in tests).encode())


def profile(rules):
    """The profile of a VMM, as the kernel loads it."""
    include = f'  #include "{RULES}"\n' if rules == "with" else ""
    parser = shutil.which("apparmor_parser", path="/usr/sbin:/sbin")
    if not parser:
        raise Failed("no apparmor_parser: install apparmor")
    with tempfile.TemporaryDirectory() as folder:
        source, binary = Path(folder, "source"), Path(folder, "binary")
        source.write_text(PROFILE.format(rules=rules, include=include))
        debian.run(parser, "--skip-kernel-load", "--skip-cache",
                   f"--ofile={binary}", source)
        return binary.read_bytes()


def add_confined(initramfs, build):
    for rules in ("with", "without"):
        initramfs.add(f"profiles/{rules}", profile(rules))
        initramfs.program(build / "tests/preload/testvmm", f"bin/vmm-{rules}")
    initramfs.program(build / "src/preload/libbelfry-preload.so",
                      "usr/local/lib/x86_64-linux-gnu/belfry/"
                      "libbelfry-preload.so")


def add_qemu(initramfs, build):
    initramfs.program(build / "guests/boot/boot.img")
    with debian.Lock():
        initramfs.program(debian.guest_qemu(arch.ARM64))


def add_files(initramfs, name, build, match):
    if name == "library":
        add_tests(initramfs, build, match)
        return
    initramfs.program(build / "tools/belfry")
    if name == "apparmor":
        add_confined(initramfs, build)
        return
    initramfs.program(build / "src/preload/libbelfry-preload.so")
    if name == "qemu":
        add_qemu(initramfs, build)


def programs_of(run):
    return [result for result in run.results if result["test"] == "program"]


def check_library(run):
    check_common(run)
    programs = programs_of(run)
    failed = [program["label"] for program in programs
              if program["status"] not in (0, SKIPPED)]
    if failed or not programs:
        raise Failed(f"{len(failed)} of {len(programs)} programs fail: "
                     + " ".join(failed))


def check_stall(run):
    check_common(run)
    if one(run, "stall", "library")["status"]:
        raise Failed("belfry stall fails")


def check_apparmor(run):
    check_common(run)
    allowed, denied = one(run, "apparmor", "with"), \
        one(run, "apparmor", "without")
    if allowed["status"] or not allowed["served"] or allowed["denied"]:
        raise Failed("a VMM with the rules does not start under belfry run")
    if denied["status"] or denied["served"] or not denied["said"] or \
            not denied["denied"]:
        raise Failed("a VMM without the rules: no word of AppArmor")


# What the guest of guests/boot says, and a call that stalls behind a doorbell.
RIGHT = "32 sectors are right\n"
BEHIND_DOORBELL = re.compile(r"Not avoided: .*(KVM_IOEVENTFD|COALESCED)")
BOOTS = ["alone", "plain", "lazy", "never", "first-run", "eager"]
WITHOUT_STALLS = ["lazy", "never"]


def check_qemu(run):
    check_common(run)
    if one(run, "doctor", "bare")["found"] is None:
        raise Failed("belfry doctor has no result")
    for label in BOOTS:
        boot = one(run, "boot", label)
        if boot["status"] or boot["said"] != RIGHT:
            raise Failed(f"QEMU, {label}: status {boot['status']}, "
                         f"{boot['said']!r}")
        if label in WITHOUT_STALLS and BEHIND_DOORBELL.search(boot["report"]):
            raise Failed(f"QEMU, {label}: {boot['report']}")


# The tests of one processor.
ONLY = {"apparmor": arch.AMD64, "qemu": arch.ARM64}


def tests_of(kernel):
    of = kernel.release.arch
    return [name for name in TESTS if ONLY.get(name, of) is of]


# As kmod.TESTS.  A guest on one CPU would hide races of the tests.
TESTS = {
    "library": ([], check_library, {"cpus": 2, "memory": 3072, "icount": 3}),
    "stall": (["belfry"], check_stall, {"icount": 3}),
    "apparmor": ([], check_apparmor, {"icount": 3}),
    "qemu": ([], check_qemu, {"icount": 3, "memory": 2048}),
}
