#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# A kernel in which registrations wait: the module loads, says so, and does
# nothing.

load_kvm
load belfry
dmesg | grep -q 'belfry: not needed' || fail 'the module does not say it'
kvmtest stress 1
unload
