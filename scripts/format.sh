#!/usr/bin/env bash
# Formats the C++ files of the project with clang-format 14 (Debian 12's), or with --check only names what differs.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

options=(-i)
case "${1:-}" in
  '') ;;
  --check) options=(--dry-run -Werror) ;;
  *) die 2 "unknown argument '$1'; usage: format.sh [--check]" ;;
esac
formatter=$(command -v clang-format-14 || command -v clang-format) || die 2 "clang-format is not installed"
version=$("$formatter" --version | sed 's/.*version \([0-9]*\).*/\1/')
[ "$version" = 14 ] || die 2 "clang-format 14 is needed, $formatter is version $version: others format differently"
cd "$project_dir"
find include scripts src tests \( -name '*.hpp' -o -name '*.cpp' -o -name '*.h' \) -print0 |
  xargs -0 -r "$formatter" "${options[@]}"
