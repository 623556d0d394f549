# SPDX-License-Identifier: MIT
"""Commands in a mount namespace that hides or covers files."""
import os
import subprocess
import tempfile

HAVE_KVM = os.access("/dev/kvm", os.R_OK | os.W_OK)
HAVE_NODE = os.path.exists("/dev/kvm")

NAMESPACE = ["unshare", "-m"] if os.getuid() == 0 else ["unshare", "-rm"]
# Root reads every file unless it drops its capabilities.
POWERLESS = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]

EMPTY_DEV = "mount -t tmpfs none /dev"
COVERED_NODE = 'mount --bind "$0" /dev/kvm'


def run(*command, **options):
    return subprocess.run(command, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60,
                          check=False, **options)


def run_covered(mount, *command, mode=0o600):
    """Run a command after a shell command that mounts; $0 is a plain file."""
    with tempfile.NamedTemporaryFile() as file:
        os.chmod(file.name, mode)
        return run(*NAMESPACE, "sh", "-c", f'{mount} && exec "$@"', file.name,
                   *command)


def can_cover(mount, *prefix):
    try:
        return run_covered(mount, *prefix, "true").returncode == 0
    except FileNotFoundError:
        return False
