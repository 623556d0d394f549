#!/bin/sh
# SPDX-License-Identifier: MIT
# Run the test programs in /bin, and with the tool its measurements.  The status
# is the number of those that fail.
failed=0

run() {
  status=0
  timeout 200 "$@" </dev/null >/tmp/out 2>&1 || status=$?
  echo "$*: $status, $(grep -c ' OK ]' /tmp/out) passed"
  case $status in
  0 | 77) ;;
  *)
    failed=$((failed + 1))
    tail -n 30 /tmp/out
    ;;
  esac
}

for program in /bin/test_*; do
  run "$program"
done
if [ -x /bin/belfry ]; then
  run belfry doorbell --count 200 --json
  cat /tmp/out
  run belfry stall --count 1 --row 'ioeventfd, memslot' --json
  cat /tmp/out
fi
[ "$failed" = 0 ]
