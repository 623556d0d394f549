# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Sourced by the tests of examples/operators/.

examples=$1
library=$2
installed=/usr/local/lib/x86_64-linux-gnu/belfry/libbelfry-preload.so

skip() {
  echo "skipped: $*"
  exit 77
}

fail() {
  echo "FAILED: $*"
  exit 1
}

step() {
  echo "== $*"
}

[ -n "$library" ] || skip 'a sanitized library cannot be preloaded'
[ -w /dev/kvm ] || skip 'no /dev/kvm'

need() {
  local tool
  for tool; do
    command -v "$tool" >/dev/null || skip "no $tool"
  done
}

# Whether belfry's library is in a process.
has_belfry() {
  grep -q libbelfry-preload "/proc/$1/maps"
}

# Wait up to 20 s for a command.
await() {
  local n
  for n in $(seq 200); do
    if "$@" >/dev/null 2>&1; then
      return
    fi
    sleep 0.1
  done
  fail "still not: $* ($n tries)"
}

# shows PATTERN COMMAND...: whether a command prints a line with it.  grep -q
# in a pipe may end the command by SIGPIPE.
shows() {
  local pattern=$1 output
  shift
  output=$("$@") && grep -q "$pattern" <<<"$output"
}
