#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# VMs made and ended, half of the minutes with each method.
# shellcheck disable=SC2154

load_kvm
for method in mark promote; do
  load belfry_debug method=$method
  kvmtest stress $((minutes * 30))
  counters $method
  unload
done
