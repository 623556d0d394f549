#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The module comes and goes at any moment; so does KVM.
# shellcheck disable=SC2154

# Before KVM, where that is a module: the module waits for it.
load belfry_debug
[ -z "$kvm_modules" ] ||
  expect 'state without KVM' "$(cat "$belfry/parameters/state")" \
    'waiting for kvm'
load_kvm
expect 'state with KVM' "$(cat "$belfry/parameters/state")" active
kvmtest stress 1
[ "$(counter promoted)" -gt 0 ] || fail 'nothing promoted after KVM came'

# The tracepoint reports each promotion.
event=/sys/kernel/tracing/events/belfry/belfry_expedite/enable
echo 1 >"$event" || fail 'no tracepoint'
kvmtest stress 1
grep -q 'action=promote .*spared_us=[1-9]' /sys/kernel/tracing/trace ||
  fail 'no promotion traced'
echo 0 >"$event"

# KVM goes and comes again, with each method.
for method in ${kvm_modules:+mark promote}; do
  set_parameter method "$method"
  unload_kvm
  expect 'state after KVM went' "$(cat "$belfry/parameters/state")" \
    'waiting for kvm'
  load_kvm
  before=$(counter registrations)
  kvmtest stress 1
  [ "$(counter registrations)" -gt "$before" ] ||
    fail 'no registration seen after KVM came again'
done

# While the administrator wants normal grace periods alone, the module sees the
# registrations, and expedites none.
acted() {
  echo "$(counter marked) $(counter promoted) $(counter callbacks_started)"
}
echo 1 >/sys/kernel/rcu_normal
expect 'state with rcu_normal' "$(cat "$belfry/parameters/state")" \
  'idle while rcu_normal is 1'
before=$(acted)
registrations=$(counter registrations)
for method in mark promote; do
  set_parameter method "$method"
  kvmtest stress 1
done
[ "$(counter registrations)" -gt "$registrations" ] ||
  fail 'no registration seen with rcu_normal'
expect 'marked, promoted, started with rcu_normal' "$(acted)" "$before"
echo 0 >/sys/kernel/rcu_normal
kvmtest stress 1
[ "$(acted)" != "$before" ] || fail 'nothing promoted without rcu_normal'

# It changes beside grace periods in flight, and so does rcu_expedited, with
# which registrations stall as without.
kvmtest stress 2 >/tmp/stress &
stress=$!
while kill -0 "$stress" 2>/dev/null; do
  echo 1 >/sys/kernel/rcu_normal
  echo 1 >/sys/kernel/rcu_expedited
  echo 0 >/sys/kernel/rcu_normal
  echo 0 >/sys/kernel/rcu_expedited
done
cat /tmp/stress
echo 1 >/sys/kernel/rcu_expedited
before=$(counter promoted)
kvmtest stress 1
[ "$(counter promoted)" -gt "$before" ] || fail 'nothing promoted with rcu_expedited'
echo 0 >/sys/kernel/rcu_expedited

# Doorbells of a guest, while the VM changes and the method does too.
kvmtest doorbells "$doorbells" &
for method in mark promote mark promote; do
  set_parameter method "$method"
  sleep 1
done
wait
counters debug
expect violations "$(counter violations)" 0
expect missed "$(counter missed)" 0

# Each SRCU domain of the kernel.
set_parameter scope all
kvmtest stress 2
unload

# By kprobes.  The module comes and goes with rcu_normal, too.
echo 1 >/sys/kernel/rcu_normal
load belfry_kprobe
unload
load belfry_kprobe
expect 'state at a load with rcu_normal' "$(cat "$belfry/parameters/state")" \
  'idle while rcu_normal is 1'
echo 0 >/sys/kernel/rcu_normal
kvmtest stress 1
[ "$(counter promoted)" -gt 0 ] || fail 'nothing promoted by kprobes'
counters kprobe
unload

# A CPU goes and comes, and the machine goes to sleep, beside VMs that are made
# and ended.  The kernel's test of a suspend stops before the hardware; where
# the machine only idles, no CPU goes.
cpu=/sys/devices/system/cpu/cpu1/online
load belfry
kvmtest stress $((2 * seconds)) >/tmp/stress &
stress=$!
offline=0
while kill -0 "$stress" 2>/dev/null; do
  echo 0 >$cpu || fail 'CPU 1 does not go'
  echo 1 >$cpu || fail 'CPU 1 does not come'
  offline=$((offline + 1))
done
cat /tmp/stress
echo 1 >/sys/module/suspend/parameters/pm_test_delay
case $(cat /sys/power/mem_sleep) in
*'[deep]'*) echo processors >/sys/power/pm_test ;;
*) echo platform >/sys/power/pm_test ;;
esac
echo mem >/sys/power/state || fail 'no test of a suspend'
before=$(counter promoted)
kvmtest stress 1
[ "$(counter promoted)" -gt "$before" ] || fail 'nothing promoted after a sleep'
unload

echo "@json {\"test\": \"cycles\", \"offline\": $offline}"
