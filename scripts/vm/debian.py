# SPDX-License-Identifier: MIT
"""Debian kernels of other suites, in a cache folder of their own.

apt runs with a private configuration, state and cache, so the machine's own
sources and packages stay as they are.  Each release has a root folder with
the compiler and the headers of its kernels; packages are unpacked there, and
none of their scripts run.
"""
import fcntl
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

from . import arch

KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
MIRROR = os.environ.get("BELFRY_DEBIAN_MIRROR",
                        "http://deb.debian.org/debian")
SUITES = {
    "bookworm": ["bookworm", "bookworm-backports"],
    "trixie": ["trixie", "trixie-backports"],
    "sid": ["sid"],
}
IMAGE = re.compile(
    r"linux-(binary|image)-((\d+)\.(\d+)\.(\d+)\S*-(amd64|arm64)(-16k)?)")
OTHER_FLAVOURS = re.compile(r"cloud|unsigned|dbg")

# Suites that keep kernels without their headers: the source makes up for it.
SOURCE_SUITES = {"trixie": ["trixie-backports"]}

# The root folder: what a build of a module runs besides the compiler.
TOOLS = ["base-files", "binutils", "busybox-static", "coreutils", "dash",
         "findutils", "grep", "libc6-dev", "make", "mawk", "perl", "sed"]

# What a build of a kernel's source runs besides.
SOURCE_TOOLS = ["bc", "bison", "diffutils", "flex", "gcc", "gzip",
                "libelf-dev", "libssl-dev", "pahole", "python3-minimal",
                "rsync", "sparse", "xz-utils", "zlib1g-dev"]

# Large, and not needed to prepare for modules.
UNNEEDED_SOURCE = ["*/Documentation/*.rst", "*/Documentation/devicetree",
                   "*/drivers/*.c", "*/drivers/*.h", "*/fs/*.c", "*/net/*.c",
                   "*/sound/*.c", "*/tools/testing"]


class Unavailable(Exception):
    """Nothing to test with; the text is one line."""


def cache_folder():
    folder = os.environ.get("BELFRY_VM_CACHE")
    return Path(folder) if folder else Path.home() / ".cache/belfry/vm"


def run(*command, **options):
    options.setdefault("stdin", subprocess.DEVNULL)
    done = subprocess.run([str(word) for word in command], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          **options)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout).splitlines() or ["nothing"]
        raise Unavailable(f"{command[0]} failed: {said[-1]}")
    return done.stdout


class Kernel:
    """A kernel that a release offers."""

    has_checks = False  # lockdep, KASAN, rcutorture

    def __init__(self, release, name, package, version, has_headers):
        self.release = release
        self.name = name
        self.package = package
        self.version = version
        self.has_headers = has_headers

    def build_folder(self):
        """Where its headers are, as seen inside the root folder."""
        return f"/usr/src/linux-headers-{self.name}"

    def make_options(self):
        """Headers made out of the source have no list of symbols."""
        return [*self.release.arch.make_options,
                "W=1" if self.has_headers else "KBUILD_MODPOST_WARN=1"]

    def files(self):
        return KernelFiles(self)

    def prepare_build(self):
        if self.has_headers:
            self.prepare_headers()
        elif self.release.name in SOURCE_SUITES:
            self.release.prepare_root([*SOURCE_TOOLS,
                                       *self.release.arch.build_packages])
            self.prepare_source()
        else:
            raise Unavailable(f"no headers of {self.name}")

    def prepare_headers(self):
        """Before 7.0 those of arm64 depend on a compiler that runs on arm64, so
        unpack them without it."""
        release, of = self.release, self.release.arch
        package = f"linux-headers-{self.name}{of.suffix}"
        if of is arch.AMD64 or self.version >= (7,):
            release.prepare_root([package])
            return
        needed = re.findall(
            r"Depends: <?(linux-(?:headers|kbuild)-[^:>\s]+)",
            release.apt("apt-cache", "depends", package))
        release.prepare_root([*of.build_packages, *needed])
        release.unpack([package], release.root)

    def build(self):
        """Debian has built it."""

    def has_source(self):
        """Headers that were made out of the source have the scripts too."""
        return not self.has_headers

    def prepare_source(self):
        """Make headers out of the source and the kernel's configuration.

        Debian's patches are left out: they change no structure that a module
        shares.  Modules carry no symbol versions, as Debian's own since 6.18.
        """
        folder = Path(f"{self.release.root}{self.build_folder()}")
        if (folder / "prepared").exists():
            return
        folder.mkdir(parents=True, exist_ok=True)
        version = "%d.%d.%d" % self.version
        archive = self.release.source_archive(version)
        run("tar", "-xf", archive, "-C", folder, "--strip-components=1",
            "--no-same-owner",
            *(f"--exclude={pattern}" for pattern in UNNEEDED_SOURCE))
        archive.unlink()
        config, = KernelFiles(self).folder.glob(f"**/config-{self.name}")
        shutil.copy(config, folder / ".config")
        (folder / "localversion").write_text(self.name[len(version):] + "\n")
        for target in ("olddefconfig", "modules_prepare"):
            done = self.release.run_in_root(
                folder, "make", "-C", "/build", "-j2",
                *self.release.arch.make_options, target)
            if done.returncode:
                raise Unavailable(f"make {target} of {self.name} failed: "
                                  + first_error(done.stdout))
        (folder / "Module.symvers").touch()
        (folder / "prepared").touch()

    def __str__(self):
        return f"{self.name} ({self.release.name})"


class Release:
    """A Debian release: its package lists, and a root folder to build in."""

    def __init__(self, name, of=arch.AMD64):
        self.name = name
        self.arch = of
        self.folder = cache_folder() / (
            name if of is arch.AMD64 else f"{name}-{of.name}")
        self.root = self.folder / "root"

    def options(self):
        values = {
            "APT::Architecture": "amd64",
            "APT::Get::List-Cleanup": "false",
            "APT::Install-Recommends": "false",
            "APT::Sandbox::User": "",
            "Acquire::Languages": "none",
            "Acquire::Retries": "3",
            "Dir::Cache": self.folder / "cache",
            "Dir::Etc::sourcelist": self.folder / "sources.list",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::State": self.folder / "state",
            "Dir::State::status": self.folder / "status",
        }
        words = [f"{key}={value}" for key, value in values.items()]
        # The host's comes first, so that tools are of that.
        words += [f"APT::Architectures::={name}"
                  for name in dict.fromkeys(("amd64", self.arch.name))]
        return [word for pair in words for word in ("-o", pair)]

    def apt(self, tool, *words, **options):
        return run(tool, "-q", *self.options(), *words, **options)

    def update(self):
        """Fetch the lists, at most once in twelve hours."""
        for part in ("cache/archives/partial", "state/lists/partial"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        (self.folder / "status").touch()
        sources, stamp = self.folder / "sources.list", self.folder / "updated"
        wanted = "".join(
            f"{kind} [signed-by={KEYS}] {MIRROR} {suite} main\n"
            for kind, suites in (("deb", SUITES), ("deb-src", SOURCE_SUITES))
            for suite in SUITES[self.name]
            if suite in suites.get(self.name, ()))
        if not sources.exists() or sources.read_text() != wanted:
            sources.write_text(wanted)
            stamp.unlink(missing_ok=True)
        if stamp.exists() and os.path.getmtime(stamp) > hours_ago(12):
            return
        try:
            self.apt("apt-get", "--error-on=any", "update")
            stamp.touch()
        except Unavailable:  # no network: the lists of the last time will do
            if not stamp.exists():
                raise

    def kernels(self):
        self.update()
        known = set(self.apt("apt-cache", "pkgnames", "linux-").split())
        for package in known:
            match = IMAGE.fullmatch(package)
            if not match or OTHER_FLAVOURS.search(package) or \
                    match[6] != self.arch.name:
                continue
            # linux-image-V is an empty package where linux-binary-V exists.
            if match[1] == "binary" or f"linux-binary-{match[2]}" not in known:
                version = tuple(int(match[n]) for n in (3, 4, 5))
                yield Kernel(self, match[2], package, version,
                             f"linux-headers-{match[2]}" in known)

    def closure(self, packages):
        said = self.apt("apt-get", "-s", "install", *packages)
        return re.findall(r"^Inst (\S+)", said, re.M)

    def unpack(self, packages, target):
        """Download and unpack those that the target has not got yet."""
        stamps = target / ".unpacked"
        stamps.mkdir(parents=True, exist_ok=True)
        wanted = [name for name in packages if not (stamps / name).exists()]
        if not wanted:
            return
        archives = self.folder / "cache/archives"
        self.apt("apt-get", "download", *wanted, cwd=archives)
        for name in wanted:
            archive = find_archive(archives, name)
            unpack_archive(archive, target)
            archive.unlink()
            (stamps / name).touch()

    def source_archive(self, version):
        """The upstream tarball of a kernel, which apt has verified."""
        folder = self.folder / "cache/source"
        folder.mkdir(parents=True, exist_ok=True)
        for found in re.findall(r"^\s*linux \| (\S+) \|", self.apt(
                "apt-cache", "madison", "linux"), re.M):
            if found.startswith(f"{version}-"):
                self.apt("apt-get", "source", "--download-only", "--tar-only",
                         f"linux={found}", cwd=folder)
                return folder / f"linux_{version}.orig.tar.xz"
        raise Unavailable(f"no source of {version}")

    def prepare_root(self, packages):
        # Before trixie no package brings these links.
        for name in ("bin", "lib", "lib64", "sbin"):
            (self.root / "usr" / name).mkdir(parents=True, exist_ok=True)
            if not (self.root / name).exists():
                (self.root / name).symlink_to(f"usr/{name}")
        self.unpack(self.closure([*TOOLS, *packages]), self.root)
        (self.root / "build").mkdir(exist_ok=True)
        awk = self.root / "usr/bin/awk"
        if not awk.exists():
            awk.symlink_to("mawk")
        self.busybox()

    def busybox(self):
        """Busybox for the guest, which prepare_root() unpacks."""
        if self.arch is arch.AMD64:
            return self.root / "usr/bin/busybox"
        folder = self.folder / "guest"
        self.unpack([f"busybox-static{self.arch.suffix}"], folder)
        program, = folder.glob("**/bin/busybox")  # in /bin before trixie
        return program

    def run_in_root(self, source, *command):
        """Run a command in the root folder, with source mounted on /build."""
        script = ('mount --rbind /proc "$1/proc" && '
                  'mount --rbind /dev "$1/dev" && '
                  'mount --bind "$2" "$1/build" && root=$1 && shift 2 && '
                  'exec chroot "$root" /usr/bin/env -i '
                  'PATH=/usr/sbin:/usr/bin "$@"')
        return subprocess.run(
            [*unshare(), "sh", "-c", script, "sh", str(self.root), str(source),
             *command], text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def unshare():
    """The command that gives a build mounts of its own."""
    return ["unshare", "--mount"] + (["--map-root-user"] if os.getuid()
                                     else [])


def first_error(output):
    """The line of a build's output that says most."""
    for pattern in ("error:", "ERROR", r"\*\*\*", "."):
        for line in output.splitlines():
            if re.search(pattern, line):
                return line.strip()
    return "no output"


def hours_ago(hours):
    return time.time() - hours * 3600


def find_archive(folder, package):
    """The file of "name" or of "name:architecture"."""
    name, _, of = package.partition(":")
    ends = (f"_{of}",) if of else ("_amd64", "_all")
    archive, = (path for path in folder.glob(f"{name}_*.deb")
                if path.stem.endswith(ends))
    return archive


def unpack_archive(archive, target):
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", archive],
                          stdout=subprocess.PIPE) as package:
        run("tar", "-xf", "-", "-C", target, "--keep-directory-symlink",
            "--no-same-owner", stdin=package.stdout)
    if package.returncode:
        raise Unavailable(f"dpkg-deb cannot unpack {archive.name}")


class KernelFiles:
    """The image and the modules of a kernel, in the cache folder."""

    def __init__(self, kernel):
        self.kernel = kernel
        self.folder = kernel.release.folder / "kernels" / kernel.name
        self.fetch()

    def fetch(self):
        kernel, release = self.kernel, self.kernel.release
        packages = [kernel.package]
        if kernel.package.startswith("linux-binary-"):
            modules = f"linux-modules-{kernel.name}"
            if release.apt("apt-cache", "pkgnames", modules):
                packages.append(modules)
        release.unpack([f"{name}{release.arch.suffix}" for name in packages],
                       self.folder)

    def image(self):
        for pattern in ("boot/vmlinuz-*", "usr/lib/modules/*/vmlinuz",
                        "lib/modules/*/vmlinuz"):
            for path in self.folder.glob(pattern):
                return path
        raise Unavailable(f"{self.kernel.package} brings no image")

    def modules(self):
        return self.folder.glob("**/kernel/**/*.ko*")

    def module(self, name):
        """The file of a module, or None; - and _ are the same to the kernel.
        """
        for path in self.modules():
            stem = path.name.split(".ko")[0]
            if stem.replace("-", "_") == name.replace("-", "_"):
                return path
        return None


# Of the tool and the tests.
CROSS_LIBRARIES = ["libcmocka-dev", "libjson-c-dev", "libseccomp-dev"]
# The cross compiler brings these.
OF_COMPILER = re.compile(r"gcc-|libc6|libgcc-")

CROSS_FILE = """\
[binaries]
pkgconfig = 'pkg-config'

[properties]
sys_root = '{root}'
pkg_config_libdir = '{root}/usr/lib/aarch64-linux-gnu/pkgconfig'
"""


# Debian's QEMU for a guest, which runs it under belfry.
QEMU = "qemu-system-arm"


def guest_qemu(of):
    """Unpack QEMU for an architecture beside the libraries; its program."""
    release = Release(this_release(), of)
    release.update()
    root = release.folder / "libraries"
    release.unpack([name for name in release.closure([QEMU + of.suffix])
                    if name.endswith(of.suffix)
                    and not OF_COMPILER.match(name)], root)
    return root / "usr/bin/qemu-system-aarch64"


def this_release():
    """The Debian release of this machine: its cross compiler fits."""
    for line in Path("/etc/os-release").read_text().splitlines():
        key, _, value = line.partition("=")
        if key == "VERSION_CODENAME" and value in SUITES:
            return value
    raise Unavailable("this machine runs another Debian release")


def cross_file(of):
    """Unpack the libraries of an architecture; a file for Meson that names
    them."""
    release = Release(this_release(), of)
    release.update()
    root = release.folder / "libraries"
    names = [f"{name}{of.suffix}" for name in CROSS_LIBRARIES]
    release.unpack([name for name in release.closure(names)
                    if not OF_COMPILER.match(name)], root)
    path = release.folder / "cross.txt"
    path.write_text(CROSS_FILE.format(root=root))
    return path


class Lock:
    """One change of the cache folder at a time; guests boot without it.

    A debug kernel has a lock of its own, because its build is long.
    """

    def __init__(self, name="lock"):
        self.name = name

    def __enter__(self):
        folder = cache_folder()
        folder.mkdir(parents=True, exist_ok=True)
        self.file = open(folder / self.name, "w")
        fcntl.flock(self.file, fcntl.LOCK_EX)
        return self

    def __exit__(self, *error):
        self.file.close()


def check_machine(of):
    """Raise Unavailable, with its reason, where no test can run."""
    for tool in ("apt-get", "dpkg-deb", of.qemu[0], "unshare", of.compiler):
        if not shutil.which(tool):
            raise Unavailable(f"no {tool}")
    if not Path(KEYS).exists():
        raise Unavailable(f"no {KEYS}")
    run(*unshare(), "true")


def all_kernels(releases):
    """The kernels of the releases that can be had, newest first."""
    kernels, why = [], None
    for release in releases:
        try:
            kernels += release.kernels()
        except Unavailable as error:
            why = why or error
    if not kernels:
        raise why or Unavailable("no kernels")
    return sorted(kernels, key=lambda kernel: [
        int(number) for number in re.findall(r"\d+", kernel.name)],
        reverse=True)


# Pages of 16 KiB, and PREEMPT_RT; the first form is a version's, the second a
# kernel's.
FLAVOUR = re.compile(r"-(16k|rt)$|-(rt)-")


def flavour(name):
    match = FLAVOUR.search(name)
    return match and (match[1] or match[2])


def first(kernels, version, headers=False):
    """The newest kernel with a version that starts so; 6.1 is not 6.12.

    "6.12-16k" has pages of 16 KiB, "7.3-rt" has PREEMPT_RT; no other version
    has.
    """
    start = FLAVOUR.sub("", version)
    starts = re.compile(re.escape(start) + r"(?!\d)" if start else "")
    for kernel in kernels:
        if starts.match(kernel.name) and (kernel.has_headers or not headers) \
                and flavour(kernel.name) == flavour(version):
            return kernel
    raise Unavailable(f"the package lists have no kernel {version}")
