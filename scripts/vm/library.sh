#!/bin/sh
# SPDX-License-Identifier: MIT
# Each program of the list: a name, settings, the program, its arguments.
# shellcheck disable=SC2154

# cases WORD: the cases of a cmocka program that ended so.
cases() {
  sed -n "s/^\[ *$1 *\] \([0-9]*\) test.*/\1/p" /tmp/out |
    awk '{ sum += $1 } END { print sum + 0 }'
}

# The calls that a differential test compared with KVM.
calls() {
  sed -n 's/^\([0-9]*\) calls, .*/\1/p' /tmp/out | awk '{ print; exit }
    END { if (!NR) print 0 }'
}

now() {
  cut -d. -f1 /proc/uptime
}

load_kvm
cd "$build" || fail "no $build"
while read -r name words; do
  status=0
  start=$(now)
  eval "timeout 600 env $words" </dev/null >/tmp/out 2>&1 || status=$?
  case $status in 0 | 77) ;; *) tail -n 30 /tmp/out ;; esac
  echo "@json {\"test\": \"program\", \"label\": \"$name\"," \
    "\"status\": $status, \"seconds\": $(($(now) - start))," \
    "\"passed\": $(cases PASSED), \"skipped\": $(cases SKIPPED)," \
    "\"calls\": $(calls)}"
done </tests
