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
