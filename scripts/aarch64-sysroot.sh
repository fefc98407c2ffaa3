#!/usr/bin/env bash
# Unpacks the aarch64 libraries that core, nn and their tests need into build/aarch64-sysroot, for
# scripts/aarch64-toolchain.cmake. Takes them from Debian's archive; nothing is installed, and root is not needed.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

packages=(
  libc6 libgcc-s1 libstdc++6 libgfortran5
  libopenblas-pthread-dev libopenblas0-pthread libssl-dev libssl3 librandom123-dev
  libgtest-dev libbenchmark-dev libbenchmark1debian
)
sysroot=$project_dir/build/aarch64-sysroot
if [ "$(cat "$sysroot/packages" 2>/dev/null)" = "${packages[*]}" ]; then
  exit 0
fi

# apt with lists and a status of its own, for another architecture than this machine's.
apt=$project_dir/build/aarch64-apt
rm -rf "$sysroot" "$apt"
mkdir -p "$sysroot" "$apt/lists/partial" "$apt/archives/partial"
touch "$apt/status"
options=(
  -q -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Acquire::Languages=none -o APT::Sandbox::User=
  -o Dir::State="$apt" -o Dir::State::lists="$apt/lists" -o Dir::State::status="$apt/status" -o Dir::Cache="$apt"
)
apt-get "${options[@]}" update >&2 || say "apt-get update failed; trying with the package lists there are."
(cd "$apt/archives" && apt-get "${options[@]}" download "${packages[@]}") >&2 ||
  die 2 "there are no aarch64 packages to be had from Debian's archive"
for package in "$apt"/archives/*.deb; do
  dpkg-deb --extract "$package" "$sysroot"
done
rm -rf "$apt"
printf '%s\n' "${packages[*]}" >"$sysroot/packages"
