#!/usr/bin/env bash
# Installs the Debian packages that lockstep needs and that are missing; quick when there are none.
#   scripts/setup.sh [--tests] [--builds] [--check]
#     --tests   also what the tests need
#     --builds  also compilers and emulator of test.sh --builds
#     --check   install nothing
# Exit status 2: packages are missing and may not be installed here; they are named.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

packages=("${build_packages[@]}")
check_only=no
for argument in "$@"; do
  case $argument in
    --tests) packages+=("${test_packages[@]}") ;;
    --builds) packages+=("${other_builds_packages[@]}") ;;
    --check) check_only=yes ;;
    *) die 2 "unknown argument '$argument'; usage: setup.sh [--tests] [--builds] [--check]" ;;
  esac
done

if ! command -v dpkg-query >/dev/null; then
  say "Not a Debian system: nothing is installed. CMake names what it does not find."
  exit 0
fi

mapfile -t missing < <(missing_packages "${packages[@]}")
if [ ${#missing[@]} = 0 ]; then
  say "All Debian packages that lockstep needs are installed."
  exit 0
fi
if [ $check_only = no ] && install_packages "${missing[@]}"; then
  mapfile -t missing < <(missing_packages "${missing[@]}")
  if [ ${#missing[@]} = 0 ]; then
    exit 0
  fi
fi
say "These Debian packages are missing. Install them as root, then try again:"
say "  apt-get update && apt-get install --no-install-recommends ${missing[*]}"
exit 2
