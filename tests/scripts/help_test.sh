#!/bin/sh
# Every script in the directory $1 says what it does when called with --help, and does nothing else.
set -eu
for script in "$1"/*.sh; do
  name=$(basename "$script")
  [ "$name" != common.sh ] || continue
  text=$("$script" --help 2>&1 < /dev/null)
  case $text in
    "$(sed -n '2s/^# //p' "$script")"*) ;;
    *)
      echo "$name --help: expected the comment at its top, found '$text'"
      exit 1
      ;;
  esac
done
