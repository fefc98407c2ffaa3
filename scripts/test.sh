#!/usr/bin/env bash
# Builds and runs the tests. The last line counts them: "N passed, N failed" (", N skipped" may follow).
#   scripts/test.sh [--full] [--real-task] [--builds] [--asan] [--werror] [ctest arguments, e.g. -R dist]
#     --full    also the long tests (CTest labels "full" and "real-task"), those of --builds, and core and nn without MPI
#     --real-task  also whether MNIST is learned as well as published recipes do, a published table is met in all its
#               epochs, and 2 GB are loaded within their memory: some twenty minutes, and 2 GB of temporary files
#     --builds  core and nn, built by GCC and Clang, -O0 and -O3, and for aarch64 (emulated): the same bits, and nothing
#               else
#     --asan    the tests under AddressSanitizer and UndefinedBehaviorSanitizer, and nothing else (build/asan)
#     --werror  warnings are errors (build/ci); also core and nn without MPI (build/core-only)
# MNIST comes from $MNIST_DIR, else from scripts/get-mnist.sh; tests that need it are left out where there is none.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

preset=release
full=no
real_task=no
other_builds=no
packages=(--tests)
ctest_arguments=()
for argument in "$@"; do
  case $argument in
    --full) full=yes real_task=yes other_builds=yes packages+=(--builds) ;;
    --real-task) real_task=yes ;;
    --builds) preset=none other_builds=yes packages+=(--builds) ;;
    --asan) preset=asan ;;
    --werror) preset=ci ;;
    --*)
      # CTest itself would say so after the build.
      ! command -v ctest >/dev/null || grep -qF -e "${argument%%=*}" <<<"$(ctest --help)" ||
        die 2 "unknown argument '$argument'; see the top of the script and ctest --help"
      ctest_arguments+=("$argument")
      ;;
    *) ctest_arguments+=("$argument") ;;
  esac
done

excluded=() # CTest labels
if [ $preset = asan ]; then
  excluded=(full real-task no-asan)
else
  [ $full = yes ] || excluded+=(full)
  [ $real_task = yes ] || excluded+=(real-task)
fi

passed=0 failed=0 skipped=0

finish() {
  local line="$passed passed, $failed failed"
  [ $skipped = 0 ] || line+=", $skipped skipped"
  printf '\n%s\n' "$line"
  [ $failed = 0 ] && [ $passed != 0 ]
  exit
}

# check NAME COMMAND…: one passed or failed thing that is not a CTest test.
check() {
  local name=$1
  shift
  step "$name"
  if "$@"; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    say "FAILED: $name"
    return 1
  fi
}

# attribute FILE NAME: of a JUnit file's test suite.
attribute() { sed -n "s/.*[[:space:]]$2=\"\([0-9]*\)\".*/\1/p" "$1" | head -n 1; }

# run_ctest PRESET [ARGUMENT…]: runs its tests and counts them.
run_ctest() {
  local build_dir=$project_dir/build/$1 results
  shift
  step "Tests of $build_dir"
  results=$build_dir/test-results.xml
  rm -f "$results"
  # Many tests wait for programs to start and end: one more than there are cores.
  ctest --test-dir "$build_dir" --output-on-failure --output-junit "$results" -j "$(($(nproc) + 1))" "$@" || true
  if [ ! -s "$results" ]; then
    failed=$((failed + 1))
    return
  fi
  local total bad left_out
  total=$(attribute "$results" tests)
  bad=$(attribute "$results" failures)
  left_out=$(($(attribute "$results" skipped) + $(attribute "$results" disabled)))
  passed=$((passed + total - bad - left_out))
  failed=$((failed + bad))
  skipped=$((skipped + left_out))
}

# Whether other builds of core and nn compute the bits that their tests have written down. What takes long without
# optimization and has no such bits is left out.
test_other_builds() {
  local name
  export GTEST_FILTER=-*SameBitsForAnySlices:*OverAllFloats
  check "Libraries for aarch64" "$project_dir/scripts/aarch64-sysroot.sh" || true
  for name in core-gcc-O0 core-clang-O0 core-clang-O3 core-aarch64; do
    check "Build of core and nn (build/$name)" build $name core_test nn_test && run_ctest $name -R '^(core|nn)$'
  done
}

"$project_dir/scripts/setup.sh" "${packages[@]}"
exec </dev/null
if [ $preset = none ]; then
  test_other_builds
  finish
fi
prepare_mpi

step "Data"
if mnist=$("$project_dir/scripts/get-mnist.sh" --only-mnist "$project_dir/data"); then
  export MNIST_DIR=$mnist
elif [ -n "${MNIST_DIR:-}" ]; then
  exit 2
else
  say "There is no MNIST: the tests that need it are left out."
  excluded+=(mnist)
  skipped=$((skipped + 1))
fi

labels=()
if [ ${#excluded[@]} != 0 ]; then
  labels=(-LE "$(IFS='|' && printf '%s' "${excluded[*]}")")
fi
if [ $preset = asan ]; then
  export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1:fast_unwind_on_malloc=0:${ASAN_OPTIONS:-}
  export UBSAN_OPTIONS=print_stacktrace=1:${UBSAN_OPTIONS:-}
  # In the thread-local memory of plugins that Open MPI has unloaded, LeakSanitizer crashes.
  export LSAN_OPTIONS=suppressions=\'$project_dir/tests/lsan.supp\':print_suppressions=0:use_tls=0:${LSAN_OPTIONS:-}
else
  check "Format" "$project_dir/scripts/format.sh" --check || true
fi
if [ $preset = ci ] || [ $full = yes ]; then
  check "Build of core and nn without MPI (build/core-only)" build core-only core_test nn_test &&
    run_ctest core-only -E '^bench\.' "${ctest_arguments[@]}"
fi
check "Build (build/$preset)" build $preset && run_ctest $preset "${labels[@]}" "${ctest_arguments[@]}"
if [ $full = yes ]; then
  check "Build file by file (build/debug)" build debug || true
fi
[ $other_builds = no ] || test_other_builds
finish
