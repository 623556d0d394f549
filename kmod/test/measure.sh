#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The table: the calls that can stall, without the module, with the module
# switched off, and with each method.
# shellcheck disable=SC2154

load_kvm
kvmtest measure 5

load belfry
expect state "$(cat "$belfry/parameters/state")" active
kvmtest measure "$rounds"
kvmtest vms "$seconds"
kvmtest dispatch 300
counters measure

set_parameter enabled 0
before=$(counter registrations)
kvmtest stress 1
expect 'registrations seen while off' "$(counter registrations)" "$before"
unload
