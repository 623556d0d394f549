#!/bin/sh
# SPDX-License-Identifier: MIT
# belfry doctor, and Debian's QEMU alone and under each policy: the output of
# its guest, and the stalls that were not avoided.
# shellcheck disable=SC2154

export BELFRY_PRELOAD=/bin/libbelfry-preload.so

machine() {
  "$@" qemu-system-aarch64 -M virt -accel kvm -cpu host -m 64 \
    -nodefaults -no-user-config -no-reboot -display none -serial stdio \
    -kernel /bin/boot.img \
    -drive id=disk,file=/bin/boot.img,format=raw,if=none,readonly=on \
    -device virtio-blk-device,drive=disk </dev/null
}

# text FILE: its lines as a string of JSON.
text() {
  sed 's/[\\"]/\\&/g' "$1" | tr '\t\r' '  ' | awk '{ printf "%s\\n", $0 }'
}

# boot LABEL COMMAND...
boot() {
  label=$1
  shift
  status=0
  machine "$@" >/tmp/said 2>/tmp/errors || status=$?
  cat /tmp/errors
  : >/tmp/report
  [ ! -s /tmp/trace ] || belfry report /tmp/trace >/tmp/report
  grep -E '^(Not avoided|Doorbells)' /tmp/report >/tmp/lines
  echo "@json {\"test\": \"boot\", \"label\": \"$label\"," \
    "\"status\": $status, \"said\": \"$(text /tmp/said)\"," \
    "\"report\": \"$(text /tmp/lines)\"}"
  rm -f /tmp/trace
}

load_kvm
tool bare doctor
boot alone env
boot plain belfry run --quiet --trace /tmp/trace --plain --
for policy in lazy never first-run eager; do
  boot "$policy" belfry run --quiet --trace /tmp/trace --policy "$policy" --
done
