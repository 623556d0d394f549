#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A VMM in a container of Podman, by the command of doc/operators.md.  Podman
# stores all that it needs in a folder that goes; the image is empty, and the
# container has the host's /usr.
#
#   podman.sh EXAMPLES LIBRARY BELFRY IMAGE
# shellcheck disable=SC1091,SC2154
set -euo pipefail

. "$(dirname "$0")/common.sh"
belfry=$(realpath "$3") image=$(realpath "$4") # not names of volumes
need podman qemu-system-x86_64 unshare
[ "$(id -u)" -eq 0 ] || skip 'not root'
if [ -z "${5:-}" ]; then
  unshare -m --propagation private true 2>/dev/null ||
    skip 'no mount namespace'
  exec unshare -m --propagation private "$0" "$@" inside
fi

# The mixture of both kinds of cgroups is unknown to crun.
umount -l /sys/fs/cgroup
mount -t cgroup2 none /sys/fs/cgroup || skip 'no cgroup2 here'

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

in_podman() {
  podman --root "$folder/store" --runroot "$folder/run" \
    --storage-driver vfs --cgroup-manager cgroupfs --events-backend none "$@"
}

# in_container COMMAND...: the options of doc/operators.md come first.  Podman's
# own limits are higher than those of some machines.
in_container() {
  in_podman run --device /dev/kvm \
    -v "$library:/opt/libbelfry-preload.so:ro" \
    -e LD_PRELOAD=/opt/libbelfry-preload.so \
    --rm --network none --cgroups disabled \
    --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 \
    -v /usr:/usr:ro -v "$image:/disk:ro" -v "$belfry:/belfry:ro" empty "$@"
}

step image
mkdir -p "$folder/image/"{dev,etc,proc,run,sys,tmp,usr,var}
for name in bin lib lib64; do
  ln -s usr/$name "$folder/image/$name"
done
tar -C "$folder/image" -c . | in_podman import -q - empty >/dev/null
said=$(in_container true 2>&1) ||
  skip "Podman may not create a container here: $said"

step library
in_container grep -q libbelfry-preload /proc/self/maps

# The guest reads a disk by doorbells, and exits with 33 if the sum is right.
step guest
status=0
said=$(in_container qemu-system-x86_64 -accel kvm -M q35 -m 64 -nodefaults \
  -no-reboot -display none -drive file=/disk,format=raw,if=none,id=d,readonly=on \
  -device virtio-blk-pci,drive=d -device isa-debug-exit,iobase=0xf4,iosize=4 \
  2>&1) || status=$?
[ $status -eq 33 ] || fail "status $status: $said"
grep -q 'signals in user space' <<<"$said" || fail "no signals: $said"

step doctor
status=0
said=$(in_container /belfry doctor -- qemu-system-x86_64 -accel kvm 2>&1) ||
  status=$?
[ $status -le 1 ] || fail "belfry doctor: status $status"
grep -q seccomp <<<"$said" || fail "no word of the filter: $said"
