#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The rules of examples/operators/apparmor, inside a profile like libvirt's.
# The kernel need not have AppArmor: the profile is compiled and not loaded.
#
#   apparmor.sh EXAMPLES LIBRARY
# shellcheck disable=SC1091,SC2154
set -euo pipefail

. "$(dirname "$0")/common.sh"
PATH=$PATH:/usr/sbin:/sbin
need apparmor_parser

compile() {
  apparmor_parser --skip-kernel-load --skip-cache --stdout "$@" >/dev/null
}

profile=$(mktemp)
trap 'rm -f "$profile"' EXIT

step rules
cat >"$profile" <<END
#include <tunables/global>
profile example flags=(attach_disconnected) {
  #include "$examples/apparmor"
}
END
compile "$profile" || fail 'the rules do not compile'

step negative control
sed -i 's/^}/no rule,\n}/' "$profile"
! compile "$profile" 2>/dev/null || fail 'apparmor_parser takes anything'
