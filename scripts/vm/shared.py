# SPDX-License-Identifier: MIT
"""The shared libraries of a program, of this machine's processor or another."""
import re
import subprocess
from pathlib import Path

from . import arch, debian

LOADER = "ld-linux-aarch64.so.1"
MACHINE_OFFSET, EM_AARCH64 = 18, 183  # of an ELF header


def said_by(*command):
    return subprocess.run(command, text=True, check=False,
                          stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL).stdout


def is_arm64(path):
    with open(path, "rb") as file:
        head = file.read(MACHINE_OFFSET + 2)
    return head[:4] == b"\x7fELF" and \
        int.from_bytes(head[MACHINE_OFFSET:], "little") == EM_AARCH64


def arm64_folders():
    root = debian.Release(debian.this_release(), arch.ARM64).folder / \
        "libraries"
    return [Path("/usr/aarch64-linux-gnu/lib"),
            root / "usr/lib/aarch64-linux-gnu", root / "lib/aarch64-linux-gnu"]


def dynamic(path, tag):
    """The values of a tag in the dynamic section."""
    return re.findall(rf"\({tag}\).*\[(.*)\]", said_by(
        "aarch64-linux-gnu-readelf", "-d", path))


def run_path(path):
    """Where the build put the libraries of its own."""
    return [Path(folder.replace("$ORIGIN", str(Path(path).parent)))
            for folders in dynamic(path, "RUNPATH")
            for folder in folders.split(":")]


def arm64_libraries(path):
    """By the names that the loader looks up in /lib."""
    folders, found, left = [*arm64_folders(), *run_path(path)], {}, [path]
    while left:
        for name in dynamic(left.pop(), "NEEDED"):
            if name in found:
                continue
            for folder in folders:
                if (folder / name).exists():
                    found[name] = folder / name
                    left.append(folder / name)
                    break
    if found:
        found[LOADER] = folders[0] / LOADER
    return found


def libraries(path):
    """(name in the guest, file) of the libraries that a program names."""
    if is_arm64(path):
        return [(f"lib/{name}", file)
                for name, file in arm64_libraries(path).items()]
    return [(name.lstrip("/"), Path(name)) for name in re.findall(
        r"(/\S+) \(0x", said_by("ldd", path))]
