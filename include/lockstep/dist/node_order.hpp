#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace lockstep {

/// Where a rank of MPI_COMM_WORLD stands when ranks are ordered by node, and on a node as MPI started them.
struct NodePosition {
  int rank = 0;
  int node = 0;
  int nodes = 1;
};

/// `first_ranks` holds, for each rank of MPI_COMM_WORLD, the lowest rank on its node; nodes are ordered by
/// it. Rank 0 therefore stays rank 0.
NodePosition node_position(std::span<const int> first_ranks, std::size_t world_rank);

/// How large groups of neighbouring ranks can be such that all are of one size and no group spans two nodes:
/// the greatest common divisor of the numbers of ranks on the nodes. `nodes` holds the node of each rank and
/// ascends.
std::size_t largest_group_size(std::span<const std::int32_t> nodes);

}  // namespace lockstep
