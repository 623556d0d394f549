#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Sourced by each test inside the guest. /modules has the modules of the
# kernel and those under test; $kvm_modules names KVM's in their order.
# shellcheck disable=SC2034,SC2154

belfry=/sys/module/belfry

# The kernel tests its ciphers in threads of its own, on arm64 for seconds after
# the boot.  On one CPU a call that sleeps waits for them, too.
wait_for_boot() {
  while cat /proc/[0-9]*/comm 2>/dev/null | grep -qx cryptomgr_test; do
    sleep 1
  done
}

# PREEMPT_RT sets rcu_normal after the boot.  Then each grace period is a normal
# one, and the module does nothing.
#
# close(vm) waits for an rcu_barrier() of several milliseconds with the TDP
# MMU, which would hide the rest.
load_kvm() {
  wait_for_boot
  echo 0 >/sys/kernel/rcu_normal
  for module in $kvm_modules; do
    case $module in
    kvm) insmod "/modules/$module.ko" tdp_mmu=0 ;;
    *) [ -d "/sys/module/$module" ] || insmod "/modules/$module.ko" ;;
    esac || fail "insmod $module"
  done
}

unload_kvm() {
  wait_for_boot
  rmmod kvm_amd && rmmod kvm
}

load() {
  name=$1
  shift
  insmod "/modules/$name.ko" "$@" || fail "insmod $name $*"
}

unload() {
  rmmod belfry || fail 'rmmod belfry'
}

set_parameter() {
  echo "$2" >"$belfry/parameters/$1" || fail "set $1 to $2"
}

counter() {
  cat "$belfry/counters/$1"
}

# The counters as a result, for the checks on the host.
counters() {
  text=
  for file in "$belfry"/counters/*; do
    text="$text${text:+, }\"${file##*/}\": $(cat "$file")"
  done
  echo "@json {\"test\": \"counters\", \"label\": \"$1\", \"counters\": {$text}}"
}

# tool LABEL COMMAND OPTION...: the output of a command as a result.
tool() {
  label=$1
  shift
  status=0
  belfry "$@" --json >/tmp/found 2>/tmp/said || status=$?
  cat /tmp/said
  found=$(tr -d '\n' </tmp/found)
  echo "@json {\"test\": \"$1\", \"label\": \"$label\"," \
    "\"status\": $status, \"found\": ${found:-null}}"
}

expect() {
  [ "$2" = "$3" ] || fail "$1: $2, expected $3"
}

# Not exit: the init has to end the guest.
fail() {
  echo "@json {\"test\": \"failure\", \"of\": \"$*\"}"
  echo "@end 1"
  poweroff -f
  sleep 60
}
