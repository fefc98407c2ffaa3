#!/bin/sh
# Every batch script in the directories below $1 says how to submit it when it is run outside a job.
set -eu
unset SLURM_JOB_ID SLURM_ARRAY_TASK_ID PBS_JOBID
for script in "$1"/slurm/*.sbatch "$1"/pbs/*.pbs; do
  name=$(basename "$script")
  submit=sbatch
  [ "$name" != train.pbs ] || submit=qsub
  status=0
  text=$(bash "$script" flags 2>&1 < /dev/null) || status=$?
  case "$status $text" in
    "2 $name: expected a"*" submit with $submit"*) ;;
    *)
      echo "$name: expected status 2 and how to submit it, found $status '$text'"
      exit 1
      ;;
  esac
done

# A blank line in a sweep's file is no run: the last task gets the last one.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
printf -- '--seed 1\n\n--seed 2\n' > "$work/runs.txt"
echo 'echo "$@"' > "$work/train"
text=$(SLURM_ARRAY_JOB_ID=7 SLURM_ARRAY_TASK_ID=2 LOCKSTEP_TRAIN_SCRIPT=$work/train \
  bash "$1/slurm/sweep.sbatch" "$work/runs.txt" --data d.h5)
[ "$text" = "--run-dir runs/sweep-7/2 --data d.h5 --seed 2" ] || {
  echo "sweep.sbatch: expected the second run, found '$text'"
  exit 1
}
