#!/usr/bin/env bash
# A real Slurm on this machine, for as long as the script runs: the batch scripts of scripts/slurm in it. Needs root; installs
# slurm-wlm and munge. LOCKSTEP names a program to use instead of building one. Takes some twenty minutes: Slurm lets
# requeued jobs wait for two.
source "$(dirname "${BASH_SOURCE[0]}")/../../scripts/common.sh"

[ "$(id -u)" = 0 ] || die 1 "needs root"
mapfile -t missing < <(missing_packages slurm-wlm munge)
[ ${#missing[@]} = 0 ] || install_packages "${missing[@]}" || die 1 "needs the Debian packages ${missing[*]}"
prepare_mpi
if [ -z "${LOCKSTEP:-}" ]; then
  build release lockstep
  LOCKSTEP=$project_dir/build/release/bin/lockstep
fi
export LOCKSTEP
work=$(mktemp -d)
daemons=()
stop() {
  scancel --user=root >/dev/null 2>&1 || true
  for daemon in "${daemons[@]}"; do kill "$daemon" 2>/dev/null || true; done
  rm -rf "$work"
}
trap stop EXIT

step "Slurm"
host=$(hostname -s)
export SLURM_CONF=$work/slurm.conf
cat >"$SLURM_CONF" <<END
ClusterName=faults
SlurmctldHost=$host
SlurmUser=root
AuthType=auth/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
MpiDefault=pmix
KillWait=10
OverTimeLimit=0
MinJobAge=3600
JobRequeue=1
SchedulerParameters=bf_interval=5,sched_interval=5
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
SlurmctldLogFile=$work/slurmctld.log
SlurmdLogFile=$work/slurmd.log
ReturnToService=2
NodeName=$host CPUs=$(nproc) RealMemory=1000 State=UNKNOWN
PartitionName=all Nodes=$host Default=YES MaxTime=INFINITE State=UP OverSubscribe=FORCE:4
END
mkdir -p "$work/state" "$work/spool" /run/munge
chown munge /run/munge
[ -e /etc/munge/munge.key ] || (umask 077 && dd if=/dev/urandom of=/etc/munge/munge.key bs=1024 count=1 status=none && chown munge /etc/munge/munge.key)
pgrep -x munged >/dev/null || { runuser -u munge -- munged --foreground >"$work/munged.log" 2>&1 & daemons+=($!); }
sleep 1
slurmctld -D >"$work/ctld.out" 2>&1 &
daemons+=($!)
slurmd -D >"$work/d.out" 2>&1 &
daemons+=($!)
for _ in $(seq 60); do
  sinfo --noheader --format=%T 2>/dev/null | grep -q idle && break
  sleep 1
done
sinfo --noheader --format=%T | grep -q idle || die 1 "Slurm does not start: $(tail -n 5 "$work"/*.log "$work"/*.out)"

cd "$work"
/usr/bin/python3 - "$project_dir" <<'END'
import sys
sys.path.insert(0, sys.argv[1] + "/tests/app")
import lockstep_cli as cli
cli.write_classification("data.h5", rows=4000)
END
train=(--data data.h5 --hidden 64 --batch-size 40 --seed 5 --quiet --evaluate-every 50 --checkpoint-every 5s)
checks=0 bad=0

# job NAME EXPECTED_STATE: waits for $id and compares.
state_of() { scontrol show job "$1" | sed -n 's/.*JobState=\([A-Z_]*\).*/\1/p' | head -n 1; }
wait_for() {
  local state
  for _ in $(seq 1800); do
    state=$(state_of "$1")
    case $state in PENDING | RUNNING | COMPLETING | CONFIGURING | SUSPENDED | REQUEUE*) sleep 1 ;; *) break ;; esac
  done
  printf '%s' "$state"
}
result() { # result NAME FOUND EXPECTED
  checks=$((checks + 1))
  if [ "$2" = "$3" ]; then
    say "well: $1"
  else
    bad=$((bad + 1))
    say "WRONG: $1: expected $3, found $2"
    tail -n 20 lockstep-*.log >&2 || true
  fi
}
digest() { sed -n 's/.*"parameters_sha256": "\(.*\)".*/\1/p' "$1/summary.json"; }
submit() { sbatch --parsable --requeue "$@"; }
script=$project_dir/scripts/slurm/train.sbatch
export LOCKSTEP_TRAIN_SCRIPT=$script

epochs=${LOCKSTEP_SLURM_EPOCHS:-30000}
step "The undisturbed run"
"$LOCKSTEP" train "${train[@]}" --epochs 300 --run-dir short >/dev/null
"$LOCKSTEP" train "${train[@]}" --epochs "$epochs" --run-dir whole >/dev/null
for ranks in 1 2; do
  id=$(submit -n $ranks -t 5 "$script" "${train[@]}" --epochs 300 --run-dir "plain$ranks")
  result "$ranks ranks to the end" "$(wait_for "$id") $(digest "plain$ranks")" "COMPLETED $(digest short)"
done

step "Cancelled, then submitted again"
for number in 1 2 3 4; do
  id=$(submit -n 2 -t 5 "$script" "${train[@]}" --epochs "$epochs" --run-dir cancelled)
  while [ "$(state_of "$id")" = PENDING ]; do sleep 1; done
  sleep 5
  scancel "$id"
  result "scancel $number" "$(wait_for "$id")" CANCELLED
done
id=$(submit -n 1 -t 15 "$script" "${train[@]}" --epochs "$epochs" --run-dir cancelled)
result "submitted again, on one rank, to its end" "$(wait_for "$id") $(digest cancelled)" "COMPLETED $(digest whole)"
result "begun once, then resumed" "$(grep -c "training on .* from step 0 " cancelled/log.txt)" 1

step "Requeued by hand while it runs"
id=$(submit -n 2 -t 5 "$script" "${train[@]}" --epochs 3000 --run-dir requeued)
for _ in 1 2 3; do
  while [ "$(state_of "$id")" != RUNNING ]; do sleep 1; done
  sleep 4
  scontrol requeue "$id" || break
done
"$LOCKSTEP" train "${train[@]}" --epochs 3000 --run-dir long >/dev/null
result "requeued" "$(wait_for "$id") $(digest requeued)" "COMPLETED $(digest long)"

step "Time limit"
id=$(submit -n 1 -t 1 --signal=B:USR1@30 "$script" "${train[@]}" --epochs "$epochs" --run-dir limited)
while [ "$(state_of "$id")" = PENDING ]; do sleep 1; done
for _ in $(seq 100); do
  sleep 1
  [ "$(scontrol show job "$id" | sed -n 's/.*Restarts=\([0-9]*\).*/\1/p')" = 0 ] || break
done
result "requeued before the time limit" "$(scontrol show job "$id" | sed -n 's/.*Restarts=\([0-9]*\).*/\1/p')" 1
result "stopped with a checkpoint" "$(sed -n 's/.*"status": "\(.*\)".*/\1/p' limited/summary.json)" stopped
scontrol update jobid="$id" timelimit=15 # or it would be requeued again on a slow machine
result "the requeued job to its end" "$(wait_for "$id") $(digest limited)" "COMPLETED $(digest whole)"
result "begun once, then resumed" "$(grep -c "training on .* from step 0 " limited/log.txt)" 1

step "An array of runs, a node drained meanwhile"
for seed in $(seq 12); do echo "--seed $seed --epochs 100"; done >runs.txt
id=$(submit --array=1-12 -t 5 "$project_dir/scripts/slurm/sweep.sbatch" runs.txt "${train[@]}")
sleep 3
scontrol update nodename="$host" state=drain reason=test
sleep 5
scontrol update nodename="$host" state=resume
for seed in $(seq 12); do
  "$LOCKSTEP" train "${train[@]}" --seed $seed --epochs 100 --run-dir "alone$seed" >/dev/null
  result "run $seed of the array" "$(wait_for "${id}_$seed") $(digest "runs/sweep-$id/$seed")" "COMPLETED $(digest "alone$seed")"
done

say "slurm: $(scontrol show jobs --oneliner | grep -c "^JobId=") jobs, $checks checks, $bad wrong"
[ $bad = 0 ]
