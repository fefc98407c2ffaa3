#!/usr/bin/env bash
# The fault suite: kills ranks, fills disks, cuts power, damages files, and looks at what is left. Takes hours.
#   scripts/faults.sh [--short] [--seed N] [--share K/N] [PART…]
#     PART  kill, kill_at_call, disk_errors, read_errors, power_cut, damage, elastic, stall, host_cut_off, throw,
#           mpi_abort, stop_at_call, stop_commands, doctor, soak (tests/faults/faults.py), bad_input
#           (tests/app/bad_input_test.py), fuzz (needs clang), slurm (needs root; starts a Slurm here); without any, all
#     --short  the share that scripts/test.sh runs
#     --share  the Kth of N shares of the cases, for as many machines or nights; bad_input, fuzz and slurm are not divided
# LOCKSTEP_FUZZ_RUNS (200000) is for each parser, LOCKSTEP_FUZZ_TARGETS names some of them.
# Exit status 0: nothing lost, nothing wrong, nothing hung.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

fuzz_runs=${LOCKSTEP_FUZZ_RUNS:-200000}
options=() parts=() short=no
while [ $# -gt 0 ]; do
  case $1 in
    --short) short=yes options+=(--short) ;;
    --seed | --share)
      [ $# -ge 2 ] || die 2 "$1: expected a value"
      options+=("$1" "$2")
      shift
      ;;
    -*) die 2 "unknown argument '$1'; see the top of the script" ;;
    *) parts+=("$1") ;;
  esac
  shift
done

python_parts=()
for part in "${parts[@]}"; do
  case $part in
    bad_input | fuzz | slurm) [ $short = no ] || die 2 "$part has no short share" ;;
    *)
      grep -q "^def $part(" "$project_dir/tests/faults/faults.py" || die 2 "unknown part '$part'; see the top of the script"
      python_parts+=("$part")
      ;;
  esac
done

# wants PART: whether it was named, or none was.
wants() { [ ${#parts[@]} = 0 ] || [[ " ${parts[*]} " == *" $1 "* ]]; }

failed=()

"$project_dir/scripts/setup.sh" --tests
prepare_mpi
if [ ${#parts[@]} = 0 ] || [ ${#python_parts[@]} != 0 ] || wants bad_input; then
  build release lockstep lockstep_fault_shim lockstep_fault_mpi_shim faults_tool
fi
if [ ${#parts[@]} = 0 ] || [ ${#python_parts[@]} != 0 ]; then
  LOCKSTEP_BINARY=$project_dir/build/release/bin/lockstep \
    LOCKSTEP_FAULT_SHIM=$(find "$project_dir/build/release" -name 'liblockstep_fault_shim.so') \
    LOCKSTEP_FAULT_MPI_SHIM=$(find "$project_dir/build/release" -name 'liblockstep_fault_mpi_shim.so') \
    LOCKSTEP_FAULTS_TOOL=$(find "$project_dir/build/release" -name faults_tool -type f) \
    $python "$project_dir/tests/faults/faults.py" "${options[@]}" "${python_parts[@]}" || failed+=(faults.py)
fi

if wants bad_input && [ $short = no ]; then
  LOCKSTEP_BINARY=$project_dir/build/release/bin/lockstep MPIEXEC=$(command -v mpiexec) \
    $python "$project_dir/tests/app/bad_input_test.py" --full || failed+=(bad_input)
fi

# fuzz TARGET: with a corpus that stays in build/fuzz/corpus. With addresses that do not come again, as under ASan,
# libhdf5 keeps some KB of each file that has text attributes: a process makes 50,000 runs at most.
fuzz() {
  local program corpus=$project_dir/build/fuzz/corpus/$1 left=$fuzz_runs most=50000
  program=$(find "$project_dir/build/fuzz" -name "fuzz_$1" -type f)
  mkdir -p "$corpus"
  step "Fuzzing $1: $fuzz_runs runs"
  # Open MPI and HDF5 keep what they allocate once until the process ends: only growth counts (-rss_limit_mb).
  # A small quarantine keeps the processes small that are forked for each damaged file; these may compute for 10 s,
  # twice when it is read and twice when it is converted.
  for (( ; left > 0; left -= most)); do
    ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1:quarantine_size_mb=4:malloc_context_size=2 \
      "$program" -runs=$((left < most ? left : most)) -max_len=2048 -len_control=0 -timeout=120 -detect_leaks=0 \
      -rss_limit_mb=1024 -print_final_stats=1 -artifact_prefix="$project_dir/build/fuzz/" "$corpus" || return
  done
}

if wants fuzz && [ $short = no ]; then
  if missing=$(missing_packages clang libclang-rt-14-dev) && [ -n "$missing" ]; then
    # shellcheck disable=SC2086
    install_packages $missing || die 2 "fuzzing needs the Debian packages: $missing"
  fi
  read -r -a targets <<<"${LOCKSTEP_FUZZ_TARGETS:-toml sweep options formula csv idx dataset checkpoint}"
  build fuzz "${targets[@]/#/fuzz_}"
  for target in "${targets[@]}"; do
    fuzz "$target" || failed+=("fuzz $target")
  done
fi

if wants slurm && [ $short = no ]; then
  if [ "$(id -u)" = 0 ]; then
    "$project_dir/tests/faults/slurm.sh" || failed+=(slurm)
  else
    say "slurm: skipped, needs root"
  fi
fi

if [ ${#failed[@]} != 0 ]; then
  say "FAILED: ${failed[*]}"
  exit 1
fi
