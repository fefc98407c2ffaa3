#!/usr/bin/env bash
# Runs the exchange of a step in SimGrid: lockstep's own code over SimGrid's MPI (SMPI), each rank on a host of its own of
# a simulated cluster. Installs libsimgrid-dev if it is missing. Prints what bench_messages prints, in simulated time.
#   scripts/scaling_simulate.sh infiniband|ethernet RANKS NET…       e.g. infiniband 64 784-512-10 784-128-10
# WAY=halving, or direct: only that; direct exchange takes long to simulate from 256 ranks on.
# The network is that of scripts/scaling_model.py; MPI_Alltoallv and MPI_Allgatherv do what Open MPI would choose. Only
# messages take time, neither computation nor passes over memory.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

[ $# -ge 3 ] || die 2 "usage: scaling_simulate.sh infiniband|ethernet RANKS NET…"
command -v smpicxx >/dev/null || install_packages libsimgrid-dev ||
  die 2 "SimGrid is missing; as root: apt-get install --no-install-recommends libsimgrid-dev"
network=$1 ranks=$2
shift 2
build_dir=$project_dir/build/simgrid
mkdir -p "$build_dir"
model() { /usr/bin/python3 "$project_dir/scripts/scaling_model.py" simulation "$network" "$@"; }

sources=("$project_dir"/src/core/{sha256,summation_tree,text}.cpp "$project_dir/src/nn/parameters.cpp"
  "$project_dir"/src/dist/{agreement,communicator,gradient_exchange,launch_settings,mpi_error,node_order}.cpp
  "$project_dir"/src/dist/{rank_barrier,rank_groups,recursive_halving,shared_memory}.cpp
  "$project_dir/tests/bench/messages.cpp")
objects=()
for source in "${sources[@]}"; do
  object=$build_dir/$(basename "$source" .cpp).o
  objects+=("$object")
  if [ ! "$object" -nt "$source" ] || [ -n "$(find "$project_dir/include" -newer "$object" -name '*.hpp' -print -quit)" ]; then
    smpicxx -std=c++20 -O2 -ffp-contract=off -I"$project_dir/include" -I"$project_dir/src/dist" -c "$source" -o "$object" >&2
  fi
done
smpicxx -std=c++20 "${objects[@]}" -lcrypto -o "$build_dir/bench_messages" >&2

model > "$build_dir/$network.xml"
seq -f 'host-%g' 0 1023 > "$build_dir/hosts"
for net in "$@"; do
  read -ra algorithms <<< "$(model "$net" "$ranks")"
  smpirun -np "$ranks" -platform "$build_dir/$network.xml" -hostfile "$build_dir/hosts" --log=root.thres:warning \
    --cfg=smpi/simulate-computation:no --cfg=smpi/bw-factor:0:1 --cfg=smpi/lat-factor:0:1 \
    --cfg=smpi/barrier:ompi_bruck "${algorithms[@]}" \
    "$build_dir/bench_messages" "${WAY:-exchange}" 1 "$net"
done
