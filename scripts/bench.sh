#!/usr/bin/env bash
# Measures lockstep against PyTorch, torch.compile, PyTorch DDP, JAX and NumPy on MNIST, on all cores of this machine,
# in one run of at most 15 minutes: Markdown, JSON, a picture. What it needs it builds and installs below build/ first.
#   scripts/bench.sh [--quick] [--output DIR] [--rows PATTERN] [--list]
#     --quick         at most 3 minutes: few and short measurements, without torch.compile
#     --output DIR    where the results go (build/bench)
#     --rows PATTERN  only rows whose name contains the regular expression; --list prints the names
# PIP_EXTRA_INDEX_URL may name a package index with CPU builds of torch, else pip takes what its index has.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

bench_dir=$project_dir/scripts/bench
build_dir=$project_dir/build
venv=$build_dir/bench-venv
output=$build_dir/bench
list=no
arguments=()
while [ $# != 0 ]; do
  case $1 in
    --quick) arguments+=("$1") ;;
    --list) list=yes ;;
    --output | --rows)
      [ $# -ge 2 ] || die 2 "$1: a value is missing"
      if [ "$1" = --output ]; then output=$2; else arguments+=("$1" "$2"); fi
      shift
      ;;
    *) die 2 "unknown argument '$1'; usage: bench.sh [--quick] [--output DIR] [--rows PATTERN] [--list]" ;;
  esac
  shift
done
arguments+=(--output "$output")
export PYTHONDONTWRITEBYTECODE=1

# Mistakes in the arguments show before anything is built.
if command -v $python >/dev/null; then
  names=$($python "$bench_dir/bench.py" "${arguments[@]}" --list) || exit
  if [ $list = yes ]; then
    printf '%s\n' "$names"
    exit 0
  fi
fi

step "Packages"
"$project_dir/scripts/setup.sh"
# torch.compile writes C++ that includes Python's headers.
if command -v dpkg-query >/dev/null; then
  mapfile -t missing < <(missing_packages python3 python3-venv python3-dev)
  [ ${#missing[@]} = 0 ] || install_packages "${missing[@]}" ||
    die 2 "these Debian packages are missing; install them as root, then try again: ${missing[*]}"
fi
exec </dev/null

step "Python packages ($venv)"
if ! cmp -s "$bench_dir/requirements.txt" "$venv/requirements.txt"; then
  rm -rf "$venv"
  $python -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$bench_dir/requirements.txt" >&2
  cp "$bench_dir/requirements.txt" "$venv/"
fi

step "Build (build/release)"
build release lockstep bench_products
lockstep=$build_dir/release/bin/lockstep
mkdir -p "$build_dir/bench-tools"
"${CXX:-c++}" -std=c++20 -O3 -ffp-contract=fast -pthread "$bench_dir/fma_peak.cpp" -o "$build_dir/bench-tools/fma_peak"

step "Data"
idx_dir=$("$project_dir/scripts/get-mnist.sh" --only-mnist "$project_dir/data")
dataset=$project_dir/data/mnist.h5
if ! [ -f "$dataset" ] || ! "$lockstep" inspect --verify "$dataset" >/dev/null 2>&1; then
  "$lockstep" convert --idx-dir "$idx_dir" --output "$dataset" >&2
fi

step "Measure"
prepare_mpi
# As a user starts it who has the machine for himself: Open MPI's own binding and waiting.
unset OMPI_MCA_rmaps_base_oversubscribe OMPI_MCA_hwloc_base_binding_policy OMPI_MCA_mpi_yield_when_idle
# Nothing of the caller's may speed up or slow down one side.
unset OMP_NUM_THREADS OPENBLAS_NUM_THREADS OPENBLAS_CORETYPE MKL_NUM_THREADS OMP_PROC_BIND GOMP_CPU_AFFINITY XLA_FLAGS
export TORCHINDUCTOR_CACHE_DIR=$build_dir/bench-tools/inductor
"$venv/bin/python" "$bench_dir/bench.py" "${arguments[@]}" --program "$lockstep" \
  --fma-peak "$build_dir/bench-tools/fma_peak" --products "$build_dir/release/tests/bench/bench_products" \
  --data "$dataset"
