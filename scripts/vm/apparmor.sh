#!/bin/sh
# SPDX-License-Identifier: MIT
# A VMM that AppArmor confines starts under belfry run: with the rules of
# examples/operators/apparmor, and without.

export BELFRY_PRELOAD=/usr/local/lib/x86_64-linux-gnu/belfry/libbelfry-preload.so

# found WORDS: the lines of the output with them.
found() {
  grep -c "$1" /tmp/out
}

run_confined() {
  status=0
  dmesg -c >/dev/null
  belfry run -- "/bin/vmm-$1" two-vms >/tmp/out 2>&1 || status=$?
  dmesg | grep 'apparmor="DENIED"' >>/tmp/out
  cat /tmp/out
  echo "@json {\"test\": \"apparmor\", \"label\": \"$1\"," \
    "\"status\": $status, \"served\": $(found '^saved'), \"said\":" \
    "$(found 'without belfry.*AppArmor'), \"denied\": $(found DENIED)}"
}

load_kvm
mount -t securityfs none /sys/kernel/security
for rules in with without; do
  cat "/profiles/$rules" >/sys/kernel/security/apparmor/.load ||
    fail "load the profile $rules rules"
  run_confined $rules
done
