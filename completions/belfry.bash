# SPDX-License-Identifier: MIT
# bash completion for belfry.  Commands and options come from the help texts of
# the tool itself, so that they cannot differ from it.

_belfry_commands() {
  "$1" --help 2>/dev/null | sed -n 's/^  \([a-z]*\)  .*/\1/p'
}

_belfry_layers() {
  "$1" "$2" --help 2>/dev/null | sed -n 's/^  \([a-z_]*\)  .*/\1/p'
}

_belfry_options() {
  "$@" --help 2>/dev/null | sed -n 's/^  \(-., \)\?\(--[a-z-]*\).*/\2/p'
}

# Complete the words of a VMM's command line as its own, where bash-completion
# is loaded, and as files otherwise.
_belfry_vmm() {
  if declare -F _command_offset >/dev/null; then
    _command_offset "$1"
  else
    mapfile -t COMPREPLY < <(compgen -c -f -- "${COMP_WORDS[COMP_CWORD]}")
  fi
}

_belfry() {
  local tool=${COMP_WORDS[0]} command=${COMP_WORDS[1]:-}
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
  local i words

  if [ "$COMP_CWORD" -eq 1 ]; then
    words="$(_belfry_commands "$tool") --help --version"
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
    return
  fi

  case $before in
  --policy)
    words='lazy first-run'
    [ "$command" = stall ] || words+=' never eager'
    ;;
  --zones) words='deferred at-once' ;;
  --engine) words='kvm trap' ;;
  --output | --report | --trace)
    mapfile -t COMPREPLY < <(compgen -f -- "$word")
    return
    ;;
  esac
  if [ -n "${words:-}" ]; then
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
    return
  fi

  case $command in
  run | compare | doctor)
    for ((i = 2; i < COMP_CWORD; i++)); do
      if [ "${COMP_WORDS[i]}" = -- ]; then
        _belfry_vmm $((i + 1))
        return
      fi
    done
    [ "${word:0:1}" = - ] || { _belfry_vmm "$COMP_CWORD"; return; }
    words=$(_belfry_options "$tool" "$command")
    ;;
  report)
    mapfile -t COMPREPLY < <(compgen -f -- "$word")
    return
    ;;
  bench | torture)
    if [ "$COMP_CWORD" -eq 2 ]; then
      words=$(_belfry_layers "$tool" "$command")
    else
      words=$(_belfry_options "$tool" "$command" "${COMP_WORDS[2]}")
    fi
    ;;
  *) words=$(_belfry_options "$tool" "$command") ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words --help" -- "$word")
}

complete -F _belfry belfry
