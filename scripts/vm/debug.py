# SPDX-License-Identifier: MIT
"""A kernel with lockdep, KASAN and rcutorture, built from linux-source.

The configuration is debug.config.  The first build takes half an hour or more;
the root folder of the release keeps it until Debian has a newer source.
"""
import os
import re
import shutil
from pathlib import Path

from . import debian

CONFIG = Path(__file__).with_name("debug.config")
IMAGE = "arch/x86/boot/bzImage"


class DebugKernel(debian.Kernel):
    """The newest kernel of a series, with the checks of debug.config."""

    has_checks = True

    def __init__(self, series):
        release = debian.Release("trixie")
        self.series = series
        version = source_version(release, series)
        super().__init__(release, f"{version}-debug", f"linux-source-{series}",
                         tuple(map(int, version.split("."))), False)

    def build_folder(self):
        return f"/usr/src/linux-debug-{self.series}"

    def folder(self):
        return Path(f"{self.release.root}{self.build_folder()}")

    def make_options(self):
        return ["W=1"]

    def files(self):
        return DebugFiles(self)

    def prepare_build(self):
        self.release.prepare_root(debian.SOURCE_TOOLS)
        self.unpack_source()

    def build(self):
        with debian.Lock(f"debug-{self.series}"):
            self.build_unless_built()

    def build_unless_built(self):
        config = CONFIG.read_text()
        built = self.folder() / "built.config"
        if built.exists() and built.read_text() == config:
            return
        (self.folder() / CONFIG.name).write_text(config)
        self.make(f"KCONFIG_ALLCONFIG={CONFIG.name}", "allnoconfig")
        check_config(config, (self.folder() / ".config").read_text())
        self.make(f"-j{os.cpu_count()}", "bzImage", "modules")
        built.write_text(config)

    def unpack_source(self):
        folder, stamp = self.folder(), self.folder() / "unpacked"
        if stamp.exists() and stamp.read_text() == self.name:
            return
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self.release.unpack([self.package], folder / "package")
        archive = folder / f"package/usr/src/{self.package}.tar.xz"
        debian.run("tar", "-xf", archive, "-C", folder,
                   "--strip-components=1", "--no-same-owner")
        archive.unlink()
        stamp.write_text(self.name)

    def make(self, *words):
        done = self.release.run_in_root(self.folder(), "make", "-C", "/build",
                                        *words)
        log = self.folder() / "make.log"
        log.write_text(done.stdout)
        if done.returncode:
            raise debian.Unavailable(f"make {words[-1]} of {self.name} failed:"
                                     f" {debian.first_error(done.stdout)}"
                                     f" ({log})")


class DebugFiles(debian.KernelFiles):
    """The image and the modules, where they were built."""

    def __init__(self, kernel):
        self.kernel = kernel
        self.folder = kernel.folder()

    def image(self):
        return self.folder / IMAGE

    def modules(self):
        return self.folder.glob("**/*.ko")


def source_version(release, series):
    """The upstream version of the newest source of a series."""
    with debian.Lock():
        release.update()
    found = re.search(r"\| (\d+\.\d+\.\d+)-\S+ \|", release.apt(
        "apt-cache", "madison", f"linux-source-{series}"))
    if not found:
        raise debian.Unavailable(
            f"the package lists have no linux-source-{series}")
    return found[1]


def check_config(wanted, config):
    """Raise Unavailable for an option that make has dropped in silence."""
    missing = set(re.findall(r"^CONFIG_.*", wanted, re.M)) - \
        set(config.splitlines())
    if missing:
        raise debian.Unavailable("the debug kernel has not got "
                                 + ", ".join(sorted(missing)))
