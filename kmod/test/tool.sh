#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The tool: belfry doctor and doorbell, and belfry stall with the module off
# and on.  /bin/belfry is the build of the machine that runs the test.
# shellcheck disable=SC2154

echo "@json {\"test\": \"settings\", \"stalls\": $stalls}"
load_kvm
tool bare doctor
tool bare doorbell --count 200
load belfry
tool loaded doctor
if [ "$stalls" = 1 ]; then
  tool memslot stall --plain-only --row memslot --count 3
  tool assign stall --plain-only --row 'after assign' --count 3
  echo 1 >/sys/kernel/rcu_normal
  tool normal doctor
fi
unload
[ "$stalls" = 0 ] || tool unloaded doctor
