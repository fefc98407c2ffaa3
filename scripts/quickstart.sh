#!/usr/bin/env bash
# From nothing to a trained network: installs what is missing, gets data, builds, trains on two ranks, evaluates.
# A second call takes seconds: what is done is not done again.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
[ $# = 0 ] || die 2 "takes no arguments (found '$1')"

ranks=2
data_dir=$project_dir/data
prepare_mpi

step "Packages"
"$project_dir/scripts/setup.sh"

step "Data"
idx_dir=$("$project_dir/scripts/get-mnist.sh" "$data_dir")
name=$(basename "$idx_dir") # mnist | fashion-mnist

step "Build (build/release; some minutes the first time)"
build release lockstep
lockstep=$project_dir/build/release/bin/lockstep

step "Convert to HDF5"
dataset=$data_dir/$name.h5
run_dir=$project_dir/runs/quickstart-$name
convert_options=()
if [ "$name" = fashion-mnist ]; then
  convert_options=(--class-names "$fashion_mnist_classes")
fi
if [ -f "$dataset" ] && "$lockstep" inspect --verify "$dataset" >/dev/null 2>&1; then
  say "$dataset is there"
else
  "$lockstep" convert --idx-dir "$idx_dir" --output "$dataset" "${convert_options[@]}"
fi

step "Train on $ranks ranks"
mpirun -n $ranks "$lockstep" train --data "$dataset" --hidden 128 --activation relu --optimizer adam \
  --learning-rate 1e-3 --batch-size 128 --epochs 5 --seed 1 --run-dir "$run_dir"

step "Evaluate"
"$lockstep" evaluate --checkpoint "$run_dir" --data "$dataset"

accuracy=$(sed -n 's/.*"test_accuracy": *\([0-9.eE+-]*\).*/\1/p' "$run_dir/summary.json" | tail -n 1)
# Quoted where the shell needs it.
bin_dir=$(printf %q "$project_dir/build/release/bin")
runs_dir=$(printf %q "$project_dir/runs")
shown_dataset=$(printf %q "$dataset")
cat <<END

Test accuracy on $name: $accuracy
Run directory: $run_dir

To try next:
  PATH=$bin_dir:\$PATH
  lockstep train --data $shown_dataset --hidden 512,512 --activation gelu --run-dir $runs_dir/gelu
  lockstep predict --checkpoint $(printf %q "$run_dir") --input $shown_dataset --output predictions.csv
  lockstep report $(printf %q "$run_dir")
  lockstep activations
  lockstep train --help
END
