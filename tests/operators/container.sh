#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A VMM in a container: examples/operators/container.
#
#   container.sh EXAMPLES LIBRARY BELFRY IMAGE
# shellcheck disable=SC1091,SC2154
set -euo pipefail

. "$(dirname "$0")/common.sh"
belfry=$3 image=$4
need bwrap qemu-system-x86_64
bwrap --unshare-all --ro-bind / / --dev /dev true 2>/dev/null ||
  skip 'bubblewrap may not create a container here'

# The guest reads a disk by doorbells, and exits with 33 if the sum is right.
# The image comes in as a descriptor: the container has no file of the host.
guest() {
  "$examples/container" "$library" qemu-system-x86_64 -accel kvm -M q35 \
    -m 64 -nodefaults -no-reboot -display none \
    -add-fd fd=3,set=1 \
    -drive file=/dev/fdset/1,format=raw,if=none,id=d,readonly=on \
    -device virtio-blk-pci,drive=d -device isa-debug-exit,iobase=0xf4,iosize=4
}

step guest
status=0
said=$(guest 2>&1 3<"$image") || status=$?
[ $status -eq 33 ] || fail "status $status: $said"

step library
"$examples/container" "$library" grep -q libbelfry-preload /proc/self/maps

step the container has processes of its own
[ "$("$examples/container" "$library" sh -c 'cd /proc && ls -d [0-9]*' |
  wc -l)" -lt 5 ]

step outside
status=0
"$belfry" doctor -- "$examples/container" "$library" qemu-system-x86_64 \
  -accel kvm >/dev/null || status=$?
[ $status -le 1 ] || fail "belfry doctor: status $status"
