#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A VM as a systemd service: examples/operators/vm.service and belfry.conf.
#
#   service.sh EXAMPLES LIBRARY
#
# systemd need not run: systemd-analyze checks the files, and the test starts
# the command of the unit with the environment of the drop-in.
# shellcheck disable=SC1091,SC2154
set -euo pipefail

. "$(dirname "$0")/common.sh"
need systemd-analyze qemu-system-x86_64

units=$(mktemp -d)
vmm=
end() {
  [ -z "$vmm" ] || kill "$vmm"
  rm -rf "$units"
}
trap end EXIT

step files
mkdir "$units/vm.service.d"
cp "$examples/vm.service" "$units"
sed "s#$installed#$library#" "$examples/belfry.conf" \
  >"$units/vm.service.d/belfry.conf"
SYSTEMD_UNIT_PATH="$units:" systemd-analyze verify "$units/vm.service" \
  >"$units/said" 2>&1 || fail "$(cat "$units/said")"
! grep -E 'vm\.service|belfry\.conf' "$units/said" || fail 'see above'

step command
mapfile -t environment < <(sed -n 's/^Environment=//p' \
  "$units/vm.service.d/belfry.conf")
read -ra command < <(sed -n 's/^ExecStart=//p' "$units/vm.service")
env "${environment[@]}" "${command[@]}" 2>"$units/said" &
vmm=$!
await has_belfry "$vmm"
sleep 1
kill -0 "$vmm" 2>/dev/null || fail "the VMM ended: $(cat "$units/said")"
