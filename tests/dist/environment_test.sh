#!/bin/sh
# How jobs start and end, seen from outside: exit status, output, no hang.
# usage: environment_test.sh CASE MPIEXEC JOB
case_name=$1 mpiexec=$2 job=$3
output=$(mktemp) && trap 'rm -f "$output"' EXIT

# fail WHAT: shows what the job printed, too.
fail() {
  echo "$case_name: $1; the job printed:" >&2
  cat "$output" >&2
  exit 1
}

# run STATUS COMMAND...: the command ends with STATUS within 30 seconds.
run() {
  expected=$1
  shift
  timeout 30 "$@" >"$output" 2>&1
  status=$?
  [ "$status" -eq "$expected" ] || fail "expected exit status $expected, found $status"
}

# prints COUNT TEXT: that many lines hold the text.
prints() {
  found=$(grep -c "$2" "$output")
  [ "$found" -eq "$1" ] || fail "expected $1 lines with '$2', found $found"
}

on_3_ranks="$mpiexec -n 3 --oversubscribe --bind-to none"
case $case_name in
  singleton)
    run 0 "$job" finish
    [ "$(cat "$output")" = "rank 0 of 1, child process: no" ] || fail "expected one line and no daemon"
    run 2 "$job" one_rank_aborts
    prints 1 "cannot go on"
    [ "$(wc -l <"$output")" -eq 1 ] || fail "expected one line"
    run 2 "$job" agreed_error
    prints 1 "^agreed: a wrong file$"
    ;;
  finish)
    run 0 $on_3_ranks "$job" finish
    for rank in 0 1 2; do prints 1 "^rank $rank of 3"; done
    ;;
  agreed_error)
    run 2 $on_3_ranks "$job" agreed_error
    prints 3 "^agreed: rank 2 on .*: a wrong file$"
    ;;
  one_rank_aborts)
    run 2 $on_3_ranks "$job" one_rank_aborts
    prints 1 "lockstep: rank 2 on .*: cannot go on$"
    ;;
  all_ranks_abort)
    run 2 $on_3_ranks "$job" all_ranks_abort
    grep -q "cannot go on" "$output" || fail "expected the message"
    ;;
  exception_leaves_scope)
    run 1 $on_3_ranks "$job" exception_leaves_scope
    prints 1 "an exception left the scope of MPI"
    ;;
  *) fail "unknown case" ;;
esac
