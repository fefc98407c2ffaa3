# Helpers of the scripts; sourced by bash. Every script works from any directory, as root or not.
set -euo pipefail

project_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)

build_packages=(
  build-essential cmake ninja-build pkg-config
  libopenmpi-dev openmpi-bin libhdf5-openmpi-dev libopenblas-dev
  libcli11-dev libfmt-dev nlohmann-json3-dev libtomlplusplus-dev
  zlib1g-dev libssl-dev librandom123-dev libgtest-dev libbenchmark-dev
  curl ca-certificates
  python3 python3-h5py python3-numpy python3-jinja2 python3-plotly
)
test_packages=(hdf5-tools clang-format chromium chromium-driver python3-selenium)
other_builds_packages=(clang g++-aarch64-linux-gnu qemu-user)

# Debian's Python, which has the packages above; elsewhere the first in PATH.
python=/usr/bin/python3
[ -x $python ] || python=python3

fashion_mnist_package=dataset-fashion-mnist
fashion_mnist_files=/usr/share/datasets/fashion-mnist
fashion_mnist_classes='T-shirt,Trouser,Pullover,Dress,Coat,Sandal,Shirt,Sneaker,Bag,Ankle boot'

say() { printf '%s\n' "$*" >&2; }
step() { printf '\n== %s\n' "$*" >&2; }
die() { # die STATUS MESSAGE
  local status=$1
  shift
  say "$(basename "$0"): $*"
  exit "$status"
}

# Prints which of the named Debian packages are not installed.
missing_packages() {
  local installed package
  installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null | sed -n 's/^installed //p') || true
  for package in "$@"; do
    grep -qxF "$package" <<<"$installed" || printf '%s\n' "$package"
  done
}

# Prints the prefix of commands that need root: nothing for root, "sudo". Fails where there is no way to become root.
root_prefix() {
  if [ "$(id -u)" = 0 ]; then
    return 0
  fi
  command -v sudo >/dev/null || return 1
  if sudo -n true 2>/dev/null || [ -t 0 ]; then
    printf 'sudo\n'
    return 0
  fi
  return 1
}

# Installs Debian packages. Not root: asks first where somebody can answer. Returns 1 where it may not.
install_packages() {
  local prefix answer
  prefix=$(root_prefix) || return 1
  if [ -n "$prefix" ] && [ -t 0 ]; then
    say "Missing Debian packages: $*"
    read -r -p "Install them with sudo apt-get? [Y/n] " answer
    case $answer in
      '' | [Yy]*) ;;
      *) return 1 ;;
    esac
  else
    say "Installing Debian packages: $*"
  fi
  # stdout is kept for results; the lists of a fresh container are empty, so they are always refreshed.
  {
    $prefix env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 update ||
      say "apt-get update failed; trying with the package lists there are."
    $prefix env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 \
      install --no-install-recommends "$@"
  } >&2
}

# What mpirun needs to start here: permission for root, and leave to use cores that others use too.
prepare_mpi() {
  if [ "$(id -u)" = 0 ]; then
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
  fi
  # mpirun sometimes never ends when ranks end while they connect (PMIx 4.2); not so with these tables.
  export PMIX_MCA_gds=hash
  export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_hwloc_base_binding_policy=none OMPI_MCA_mpi_yield_when_idle=1
  # Containers often forbid one process to read another's memory.
  if [ -e /.dockerenv ] || [ -e /run/.containerenv ]; then
    export OMPI_MCA_btl_vader_single_copy_mechanism=none
  fi
}

# build PRESET [TARGET…]: configures (quick when nothing changed) and builds build/PRESET.
build() {
  local preset=$1 targets=()
  shift
  if [ $# -gt 0 ]; then
    targets=(--target "$@")
  fi
  (
    cd "$project_dir" &&
      cmake --preset "$preset" &&
      cmake --build "build/$preset" "${targets[@]}"
  ) >&2
}

# What a script says of itself is the comment at its top.
case ${1:-} in
  -h | --help)
    sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
esac
