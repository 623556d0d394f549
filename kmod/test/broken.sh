#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# A module that expedites one grace period too far. The kernel must warn about
# it, or the other tests prove nothing.

load_kvm
load belfry_broken method=mark
kvmtest stress 1
counters broken
