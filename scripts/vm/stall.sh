#!/bin/sh
# SPDX-License-Identifier: MIT
# belfry stall without the kernel module and, where it acts, with it.
# shellcheck disable=SC2154

export BELFRY_PRELOAD=/bin/libbelfry-preload.so
load_kvm
tool library stall --count 3
if [ "$stalls" = 1 ]; then
  load belfry
  tool module stall --plain-only --count 3
  unload
fi
