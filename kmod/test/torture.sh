#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The kernel's own torture of SRCU, with barriers, while the module acts on
# every domain.
# shellcheck disable=SC2154

insmod /modules/torture.ko || fail 'insmod torture'
for kind in srcu srcud; do
  load belfry_debug scope=all
  insmod /modules/rcutorture.ko torture_type=$kind n_barrier_cbs=4 \
    stat_interval=60 || fail "insmod rcutorture torture_type=$kind"
  sleep $((minutes * 60))
  rmmod rcutorture || fail 'rmmod rcutorture'
  counters $kind
  unload
done
