# SPDX-License-Identifier: MIT
"""The tests of kmod/: builds of the module, and checks of the results."""
import os
import re
import shutil
import subprocess
import threading
from pathlib import Path

from . import arch, debian

TOP = Path(__file__).resolve().parents[2]
SOURCE = TOP / "kmod"
SCRIPTS = SOURCE / "test"

# What each build defines besides; the broken one is made below.
BUILDS = {
    "belfry": [],
    "belfry_debug": ["BELFRY_DEBUG=y"],
    "belfry_kprobe": ["BELFRY_KPROBE=y"],
    "belfry_broken": ["BELFRY_DEBUG=y"],
}

# The negative control expedites one grace period too many.
RIGHT = "return get_state_synchronize_srcu(ssp);"
WRONG = "return get_state_synchronize_srcu(ssp) + RCU_SEQ_STATE_MASK + 1;"

# (row, the same call without a registration before it, most times of that for
# promote and for mark). mark pays a grace period for each registration. After
# a promotion two grace periods end, one after the other: the goal of 1.3 is
# missed by a deassign on 6.18, at 1.33.  mark takes 1.9 or 3.8 times 16
# memslots: the worker may preempt call_srcu() in the read section that this
# has of the same domain, and poll until the next tick.
RATIOS = [
    ("ioeventfd, memslot", "memslot", 1.3, 1.3),
    ("irqchip, memslot", "memslot", 1.3, 1.3),
    ("pit or its, memslot", "memslot", 1.3, 1.3),
    ("irqchip, pit or its, memslot", "memslot", 1.3, 1.3),
    ("assign, deassign", "deassign", 1.5, 1.3),
    ("assign, close", "close", 1.1, 1.1),
    ("16 x (4 ioeventfds, memslot)", "16 memslots", 1.5, 4),
]
STALLING = RATIOS[:6]

# The end of a PIT waits for grace periods that are not expedited.
PIT_RATIOS = [("pit or its, close", "close", 1.5, 1.5)]

# A memslot of an arm64 guest takes a third of the time: 64 assigns alone come
# to 0.7 x 16 memslots there.
ARM64_RATIOS = {"16 x (4 ioeventfds, memslot)": (2.2, 9.0)}

# The probes of arm64 6.18 lengthen 64 assigns by 17%, also when switched off.
ARM64_OVERHEADS = {"64 assigns": (1.25, 8.0)}

# The same call without the module, most times of that.
OVERHEADS = [
    ("64 assigns", 1.15, 8.0),
    ("16 memslots", 1.1, 1.1),
    ("close", 1.1, 1.2),
]
METHODS = ["promote", "mark"]

# A call of these times without a registration is a stall.  KASAN and lockdep
# lengthen the calls, and the probes more than the rest.
STALL = 3
CHECKS_STALL = 2
CHECKS_TOOL = 1.5  # its row of a close: 31 ms become 12 to 20
CHECKS_SLACK = 1.2
CHECKS_OVERHEAD = 1.6  # polls for a preempted reader, with or without the module

# With PREEMPT_RT a call takes up to so much longer, also without the module.
# Polls of a worker that preempts the caller in its read section are the likely
# cause.  A stall takes 4000 or more.
RT_POLL_US = 1200

SOURCE_FILE = re.compile(r"^[a-z]+\.[ch]:")


class Failed(Exception):
    """A wrong result; the text is one line."""


def copy_source(name, target):
    target.mkdir(parents=True, exist_ok=True)
    for path in [*SOURCE.glob("*.[ch]"), SOURCE / "Kbuild"]:
        shutil.copy(path, target)
    if name == "belfry_broken":
        state = target / "state.c"
        text = state.read_text()
        if text.count(RIGHT) != 1:
            raise Failed("the negative control no longer applies to state.c")
        state.write_text(text.replace(RIGHT, WRONG))


def build(kernel, name, folder):
    """Build one variant of the module, once; return its file."""
    target = Path(folder, kernel.name, name)
    if (target / "belfry.ko").exists():
        return target / "belfry.ko"
    copy_source(name, target)
    done = kernel.release.run_in_root(
        target, "make", "-C", kernel.build_folder(), "M=/build",
        *kernel.make_options(), *BUILDS[name], "modules")
    if done.returncode:
        raise Failed(f"{name} does not build: "
                     + debian.first_error(done.stdout))
    warnings = [line for line in done.stdout.splitlines()
                if "warning:" in line and SOURCE_FILE.search(line)]
    if warnings:
        raise Failed(f"{name}: {warnings[0]}")
    if name == "belfry" and kernel.has_source():
        check_style(kernel, target)
        check_sparse(kernel, target)
    return target / "belfry.ko"


def check_style(kernel, target):
    """checkpatch of the kernel's source."""
    sources = sorted(path.name for path in target.glob("*.[ch]")
                     if not path.name.endswith(".mod.c"))
    done = kernel.release.run_in_root(
        target, "sh", "-c", 'cd /build && exec perl "$@"', "sh",
        f"{kernel.build_folder()}/scripts/checkpatch.pl", "--no-tree",
        "--terse", "--file", *sources)
    if done.returncode:
        raise Failed("checkpatch: " + debian.first_error(done.stdout))


def check_sparse(kernel, target):
    """A kernel may refuse the sparse of the release as too old."""
    done = kernel.release.run_in_root(
        target, "make", "-C", kernel.build_folder(), "M=/build",
        *kernel.make_options(), "C=2", "modules")
    found = [line for line in done.stdout.splitlines()
             if SOURCE_FILE.search(line)]
    if done.returncode or found:
        raise Failed("sparse: " + (found or [
            debian.first_error(done.stdout)])[0])
    if "sparse is not available" not in done.stdout and \
            "CHECK" not in done.stdout:
        raise Failed("sparse did not run")


# DKMS is a script of bash, which the other builds do without.
DKMS_PACKAGES = ["bash", "diffutils", "dkms", "gzip", "openssl", "tar",
                 "util-linux"]
SIGNED = b"~Module signature appended~\n"


def has_dkms(kernel):
    """Headers made out of the source have no list of symbols, and DKMS builds
    for its own machine."""
    return kernel.has_headers and kernel.release.arch is arch.AMD64


def dkms_source(target):
    """Put the source where DKMS looks for it, from kmod/ or from the package
    belfry-dkms that $BELFRY_DKMS_PACKAGE names; return its version."""
    source = SOURCE
    package = os.environ.get("BELFRY_DKMS_PACKAGE")
    if package:
        debian.run("dpkg-deb", "-x", package, target / "package")
        source, = target.glob("package/usr/src/belfry-*")
    version, = re.findall(r'^PACKAGE_VERSION="(.*)"$',
                          (source / "dkms.conf").read_text(), re.M)
    shutil.copytree(source, target / f"belfry-{version}")
    return version


def build_dkms(kernel, folder):
    """Build and sign with DKMS, as an administrator does; return the file."""
    target = Path(folder, kernel.name, "dkms")
    (target / "tree").mkdir(parents=True)
    version = dkms_source(target)
    done = kernel.release.run_in_root(
        target, "dkms", "build", f"belfry/{version}", "-k", kernel.name,
        "--sourcetree", "/build", "--dkmstree", "/build/tree",
        "--kernelsourcedir", kernel.build_folder())
    found = list(target.glob(f"tree/belfry/{version}/*/*/module/belfry.ko"))
    if done.returncode or not found:
        raise Failed("DKMS does not build: " + debian.first_error(done.stdout))
    if not found[0].read_bytes().endswith(SIGNED):
        raise Failed("DKMS does not sign")
    return found[0]


def build_future(kernel, folder):
    """Build what stands in for kernels to come; return the files."""
    target = Path(folder, kernel.name, "future")
    shutil.copytree(SCRIPTS / "future", target)
    done = kernel.release.run_in_root(
        target, "make", "-C", kernel.build_folder(), "M=/build",
        *kernel.make_options(), "modules")
    if done.returncode:
        raise Failed("future does not build: "
                     + debian.first_error(done.stdout))
    return sorted(target.glob("*.ko"))


building = threading.Lock()  # tests run at the same time and share builds


def module(name, kernel, folder):
    """Build a variant of the module unless another test has; its file."""
    with building:
        return build(kernel, name, folder)


def build_program(of, folder):
    program = Path(folder, "kvmtest")
    with building:
        if not program.exists():
            debian.run(of.compiler, "-O2", "-Wall", "-Werror", "-static",
                       "-pthread", "-o", program,
                       *(SCRIPTS / name for name in (
                           "kvmtest.c", of.program)))
    return program


def one(run, test, label=None):
    found = [result for result in run.results if result["test"] == test
             and label in (None, result.get("label"))]
    if not found:
        raise Failed(f"no result of {test} {label or ''}".rstrip())
    return found[-1]


def check_common(run):
    for result in run.results:
        if result["test"] == "failure":
            raise Failed(f"in the guest: {result['of']}")
    if run.faults:
        raise Failed(f"{len(run.faults)} lines of the kernel report a fault:"
                     f" {run.faults[0].strip()}")
    if run.status != 0:
        raise Failed(f"the guest ended with status {run.status}")


def pit_ratios(run):
    return PIT_RATIOS if run.arch is arch.AMD64 else []


def check_method(run, method):
    rows = one(run, "measure", method)["us"]
    bare = one(run, "measure", "bare")["us"]
    column = METHODS.index(method)
    slack = CHECKS_SLACK if run.has_checks else 1
    for name, alone, *most in RATIOS + pit_ratios(run):
        if run.arch is arch.ARM64:
            most = ARM64_RATIOS.get(name, most)
        if rows[name] > slack * most[column] * rows[alone] + run.poll_us:
            raise Failed(f"{method}: {name} takes {rows[name]} us,"
                         f" {alone} {rows[alone]} us")
    overhead = CHECKS_OVERHEAD if run.has_checks else 1
    for name, *most in OVERHEADS:
        if run.arch is arch.ARM64:
            most = ARM64_OVERHEADS.get(name, most)
        if rows[name] > overhead * most[column] * bare[name] + run.poll_us:
            raise Failed(f"{method}: {name} takes {rows[name]} us,"
                         f" without the module {bare[name]} us")
    took, stock = (one(run, "dispatch", label)["ns"]
                   for label in (method, "stock"))
    if took > slack * 1.02 * stock:
        raise Failed(f"{method}: a doorbell takes {took} ns, not {stock}")


def check_measure(run):
    check_common(run)
    least = CHECKS_STALL if run.has_checks or run.poll_us else STALL
    bare = one(run, "measure", "bare")["us"]
    for label in ("bare", "stock"):
        rows = one(run, "measure", label)["us"]
        for name, alone, *_ in STALLING + pit_ratios(run):
            if rows[name] < least * bare[alone]:
                raise Failed(f"{label}: {name} does not stall")
    for method in METHODS:
        check_method(run, method)
    counters = one(run, "counters", "measure")["counters"]
    for name in ("registrations", "marked", "promoted", "timers_cut"):
        if not counters[name]:
            raise Failed(f"the counter {name} is 0")
    if counters["missed"]:
        raise Failed(f"{counters['missed']} probes missed")


def check_cycles(run):
    check_common(run)
    doorbells = one(run, "doorbells")
    if doorbells["sent"] != doorbells["delivered"]:
        raise Failed(f"{doorbells['sent']} doorbells sent,"
                     f" {doorbells['delivered']} delivered")
    if not one(run, "cycles")["offline"]:
        raise Failed("no CPU went and came beside the VMs")
    for label in ("debug", "kprobe"):
        if one(run, "counters", label)["counters"]["violations"]:
            raise Failed(f"{label}: the invariant did not hold")
    marked = one(run, "counters", "kprobe")["counters"]["marked"]
    if run.arch is arch.AMD64 and not marked:
        raise Failed("kprobe: the end of no PIT was marked")


def check_loads(run):
    check_common(run)
    loads = one(run, "loads")["loads"]
    if not loads or not one(run, "stress")["vms"]:
        raise Failed("no VMs beside the loads")


def check_torture(run):
    check_common(run)
    for kind in ("srcu", "srcud"):
        end = [line for line in run.lines
               if f"{kind}-torture:--- End of test:" in line]
        if len(end) != 1 or "SUCCESS" not in end[0]:
            raise Failed(f"rcutorture {kind}: {(end or ['no end'])[-1]}")
        counters = one(run, "counters", kind)["counters"]
        if not counters["promoted"] or not counters["callbacks_started"] or \
                counters["violations"]:
            raise Failed(f"rcutorture {kind}: {counters}")


def check_soak(run):
    check_common(run)
    for method, acted in (("mark", "marked"), ("promote", "promoted")):
        counters = one(run, "counters", method)["counters"]
        if not counters[acted] or counters["violations"]:
            raise Failed(f"soak, {method}: {counters}")


def check_broken(run):
    """The kernel and the module's own check must both have noticed."""
    if not any("cleanup_srcu_struct" in line for line in run.faults):
        raise Failed("the broken module went unnoticed by the kernel")
    if not one(run, "counters", "broken")["counters"]["violations"]:
        raise Failed("the broken module went unnoticed by its own check")


def rows_of(result):
    return {row["name"]: row for row in result["found"]}


def check_doctor(run, label, problem):
    result = one(run, "doctor", label)
    found = result["found"]
    if not found:
        raise Failed(f"doctor, {label}: status {result['status']}, no result")
    if found["machine"]["problem"] != problem:
        raise Failed(f"doctor, {label}: {found['machine']['problem']},"
                     f" expected {problem}: {found['machine']['costs']}")
    if result["status"] != (problem != "none"):
        raise Failed(f"doctor, {label}: status {result['status']}")
    return found["machine"]["module"]


STALL_ROWS = {
    "memslot": ["1 ioeventfd, memslot", "16 x (4 ioeventfds, memslot)"],
    "assign": ["close after assign"],
}


def check_normal(run):
    """With rcu_normal each change waits, with and without a registration."""
    module = check_doctor(run, "normal", "none")
    verdict = one(run, "doctor", "normal")["found"]["result"]
    if module["state"] != "idle while rcu_normal is 1" or \
            "rcu_normal" not in verdict:
        raise Failed(f"doctor with rcu_normal: {module}: {verdict}")
    check_doctor(run, "unloaded", "none")
    obstacle = one(run, "doctor", "unloaded")["found"]["machine"][
        "module_obstacle"]
    if "rcu_normal" not in (obstacle or ""):
        raise Failed(f"doctor with rcu_normal, no module: {obstacle}")


def check_stall(run, label):
    result = one(run, "stall", label)
    if result["status"]:
        raise Failed(f"stall, {label}: status {result['status']}")
    rows = rows_of(result)
    if not rows["kernel module"]["peers"]["promoted"]:
        raise Failed(f"stall, {label}: the module promoted nothing")
    for name in STALL_ROWS[label]:
        row = rows[name]
        if row["plain"] < (CHECKS_TOOL if run.has_checks else STALL) * \
                row["module"]:
            raise Failed(f"stall: {name} does not stall: {row}")
        if not run.has_checks and not run.poll_us and not row["met"]:
            raise Failed(f"stall: {name} misses {row['goal']}: {row}")


def check_tool(run):
    """The tool's own figures, beside those of kvmtest."""
    check_common(run)
    if one(run, "doorbell", "bare")["status"]:
        raise Failed("belfry doorbell fails")
    if one(run, "settings")["stalls"] == 0:
        check_doctor(run, "bare", "wait")
        check_doctor(run, "loaded", "wait")
        return
    check_doctor(run, "bare", "stall")
    module = check_doctor(run, "loaded", "none")
    if module["state"] != "active" or not module["registrations"]:
        raise Failed(f"doctor does not see the module: {module}")
    check_normal(run)
    for label in STALL_ROWS:
        check_stall(run, label)


# SRCU expedites synchronize_srcu() by itself unless a grace period ended within
# the last 25 us.  An instruction takes 8 ns, so the second one at the end of a PIT
# comes later than on a machine.
HOLDOFF = "srcutree.exp_holdoff=200000"

# Test: the builds that it loads, its check, how it boots.  Times need icount,
# races need two CPUs.
TESTS = {
    "measure": (["belfry"], check_measure,
                {"icount": 3, "options": HOLDOFF}),
    "cycles": (["belfry", "belfry_debug", "belfry_kprobe"], check_cycles,
               {"cpus": 2}),
    "loads": (["belfry"], check_loads, {"cpus": 2}),
    "broken": (["belfry_broken"], check_broken, {"icount": 3}),
    "future": (["belfry"], check_common, {"icount": 3}),
    "unneeded": (["belfry"], check_common, {"icount": 3}),
    "tool": (["belfry"], check_tool, {"icount": 3}),
    "torture": (["belfry_debug"], check_torture, {"cpus": 2}),
    "soak": (["belfry_debug"], check_soak, {"cpus": 2}),
}
MINUTES_LONG = ["torture", "soak"]
STALLS_SINCE = (6, 18)

# lockdep and KASAN execute some ten times as many instructions.  With 1 ns for
# each, the timers still take most of the time of a stall.
CHECKS_ICOUNT = 0

# 6.1 does not start its second CPU while QEMU counts instructions; 6.12 does.
CPUS_WITH_ICOUNT_SINCE = (6, 12)

# With PREEMPT_RT KVM wants a TSC of one rate, which the CPU of TCG does not
# claim to have.
RT_OPTIONS = "setcpuid=constant_tsc"

TOOL = TOP / "build/tools/belfry"


def stalls(kernel):
    return kernel.version >= STALLS_SINCE


def is_realtime(kernel):
    return debian.flavour(kernel.name) == "rt"


def poll_us(kernel):
    return RT_POLL_US if is_realtime(kernel) else 0


def machine_of(kernel, machine):
    """How a test boots this kernel."""
    options = machine.get("options", "")
    if kernel.release.arch is not arch.AMD64:  # no PIT
        options = ""
    if is_realtime(kernel):
        options = f"{options} {RT_OPTIONS}"
    machine = {**machine, "options": options}
    if "icount" in machine and kernel.version < CPUS_WITH_ICOUNT_SINCE:
        return {**machine, "cpus": 1}
    if kernel.has_checks and "icount" in machine:
        return {**machine, "icount": CHECKS_ICOUNT}
    return machine


def tests_of(kernel):
    tests = ["cycles", "loads", "broken", "future"] if stalls(kernel) else \
        ["unneeded"]
    times = ["measure", "tool"] if stalls(kernel) else ["tool"]
    if not TOOL.exists() or kernel.release.arch is not arch.AMD64:
        times = [name for name in times if name != "tool"]
    if kernel.has_checks:
        tests += MINUTES_LONG
    return times + tests


def print_row(name, cells, show):
    show(f"  {name:<32}" + "".join(
        f"{cell:>10.0f}" if cell is not None else f"{'':>10}"
        for cell in cells))


def print_table(run, show):
    columns = ("bare", "stock", "promote", "mark")
    found = {label: one(run, "measure", label)["us"] for label in columns}
    show(f"  {'median, us':<32}" + "".join(f"{name:>10}" for name in columns))
    for name in found["bare"]:
        print_row(name, [found[label][name] for label in columns], show)
    for test, key in (("vms", "one_at_a_time"),
                      ("vms", "one_at_a_time_idle_percent"),
                      ("vms", "eight_at_a_time"),
                      ("vms", "eight_at_a_time_idle_percent"),
                      ("dispatch", "ns")):
        print_row(f"{test}, {key}".replace("_", " "), [None] + [
            one(run, test, label)[key] for label in columns[1:]], show)
