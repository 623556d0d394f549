#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Kernels to come: the module says that it is not needed, and does nothing.
# shellcheck disable=SC2154

state() {
  cat "$belfry/parameters/state"
}

# The kernel has call_srcu_expedited().
insmod /modules/future-expedited.ko || fail 'insmod expedited'
load belfry
expect 'state with call_srcu_expedited()' "$(state)" 'not needed'
dmesg | grep -q 'belfry: not needed: this kernel has call_srcu_expedited' ||
  fail 'the module does not say it'
load_kvm
kvmtest stress 1
[ ! -e "$belfry/counters" ] || fail 'the module counts'
unload
rmmod expedited

# KVM frees the old table in another way, where KVM is a module.
[ -n "$kvm_modules" ] || return 0
unload_kvm
load belfry
insmod /modules/future-kvm.ko || fail 'insmod of the other kvm.ko'
expect 'state with another kvm.ko' "$(state)" 'not needed'
dmesg | grep -q "belfry: not needed: KVM's registrations do not use" ||
  fail 'the module does not say it of kvm.ko'
rmmod kvm
expect 'state after it went' "$(state)" 'waiting for kvm'
load_kvm
expect 'state with KVM' "$(state)" active
kvmtest stress 1
[ "$(counter promoted)" -gt 0 ] || fail 'nothing promoted'
unload
