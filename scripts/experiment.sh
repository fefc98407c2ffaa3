#!/usr/bin/env bash
# Runs one of the experiments people teach activation functions with, from a fresh quickstart to its report.
#   scripts/experiment.sh NAME [--smoke]     the sweep, then runs/experiments/NAME/report.html
#   scripts/experiment.sh --list             their names
#     --smoke  few rows, one epoch, the ends of each axis: seconds, in runs/experiments/smoke-NAME
# Called again after an interruption it goes on. RANKS: how many ranks, else one a core. LOCKSTEP: a program to be used
# instead of building one. DATA_DIR: where the datasets are or will be (data). OUTPUT_DIR: instead of runs/experiments.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

experiments=$project_dir/scripts/experiments
data_dir=${DATA_DIR:-$project_dir/data}
output_dir=${OUTPUT_DIR:-$project_dir/runs/experiments}
usage="usage: experiment.sh NAME [--smoke]; experiment.sh --list prints the names"

name='' smoke=no
for argument in "$@"; do
  case $argument in
    --list)
      (cd "$experiments" && printf '%s\n' *.toml | sed 's/\.toml$//')
      exit 0
      ;;
    --smoke) smoke=yes ;;
    -*) die 2 "unknown argument '$argument'; $usage" ;;
    *)
      [ -z "$name" ] || die 2 "expected one name, found '$name' and '$argument'; $usage"
      name=$argument
      ;;
  esac
done
[ -n "$name" ] || die 2 "expected a name, found none; $usage"
sweep=$experiments/$name.toml
[ -f "$sweep" ] || die 2 "there is no experiment '$name'; $usage"
prepare_mpi
export PYTHONDONTWRITEBYTECODE=1

lockstep=${LOCKSTEP:-}
if [ -z "$lockstep" ]; then
  step "Packages"
  "$project_dir/scripts/setup.sh"
  step "Build (build/release)"
  build release lockstep
  lockstep=$project_dir/build/release/bin/lockstep
fi

# dataset FILE COMMAND…: makes it by the command unless it is there.
dataset() {
  local file=$1
  shift
  [ -f "$file" ] && "$lockstep" inspect "$file" >/dev/null 2>&1 && return 0
  "$@" >&2
}

mnist() {
  local idx_dir
  idx_dir=$("$project_dir/scripts/get-mnist.sh" --only-mnist "$data_dir")
  "$lockstep" convert --idx-dir "$idx_dir" --output "$data_dir/mnist.h5"
}

fashion_mnist() {
  [ -d $fashion_mnist_files ] || install_packages $fashion_mnist_package ||
    die 1 "no Fashion-MNIST: install the Debian package $fashion_mnist_package"
  "$lockstep" convert --idx-dir $fashion_mnist_files --output "$data_dir/fashion-mnist.h5" \
    --class-names "$fashion_mnist_classes"
}

step "Data"
mkdir -p "$data_dir"
case $name in
  fashion-mnist) dataset "$data_dir/fashion-mnist.h5" fashion_mnist ;;
  outputs | plane) dataset "$data_dir/experiments/plane.h5" $python "$experiments/data.py" "$data_dir/experiments" ;;
  *) dataset "$data_dir/mnist.h5" mnist ;;
esac

# Paths in the sweep files are relative to where data/ is.
directory=$output_dir/$name
if [ $smoke = yes ]; then
  directory=$output_dir/smoke-$name
fi
mkdir -p "$directory"
if [ $smoke = yes ]; then
  $python "$experiments/smoke.py" "$sweep" >"$directory/experiment.toml"
else
  cp "$sweep" "$directory/experiment.toml"
fi
sed -i "s|\"data/|\"$data_dir/|g" "$directory/experiment.toml"

step "Sweep ($directory)"
mpirun -n "${RANKS:-$(nproc)}" "$lockstep" sweep "$directory/experiment.toml" --sweep-dir "$directory" >&2

step "Report"
"$lockstep" report "$directory" --output "$directory/report.html"
