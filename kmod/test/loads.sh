#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Loads and unloads of the module, $loads or more, while VMs are made and ended.
# shellcheck disable=SC2154

load_kvm
if [ -f /modules/belfry_dkms.ko ]; then
  load belfry_dkms
  kvmtest stress 1
  [ "$(counter promoted)" -gt 0 ] || fail 'nothing promoted by the DKMS build'
  unload
fi
done=0
while [ "$done" -lt "$loads" ]; do
  kvmtest stress 10 >/tmp/stress &
  stress=$!
  while [ "$done" -lt "$loads" ] && kill -0 "$stress" 2>/dev/null; do
    case $((done % 3)) in
    0) load belfry method=mark ;;
    1) load belfry method=promote ;;
    2) load belfry scope=all ;;
    esac
    unload
    done=$((done + 1))
  done
  wait "$stress"
  cat /tmp/stress
done
echo "@json {\"test\": \"loads\", \"loads\": $done}"
