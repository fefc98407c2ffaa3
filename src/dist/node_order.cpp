#include "lockstep/dist/node_order.hpp"

#include <numeric>
#include <utility>

namespace lockstep {

NodePosition node_position(std::span<const int> first_ranks, std::size_t world_rank) {
  const int own_first = first_ranks[world_rank];
  NodePosition position{0, 0, 0};
  for (std::size_t other = 0; other < first_ranks.size(); ++other) {
    const bool starts_node = std::cmp_equal(first_ranks[other], other);
    if (std::pair(first_ranks[other], other) < std::pair(own_first, world_rank)) ++position.rank;
    if (starts_node) ++position.nodes;
    if (starts_node && first_ranks[other] < own_first) ++position.node;
  }
  return position;
}

std::size_t largest_group_size(std::span<const std::int32_t> nodes) {
  std::size_t size = 0;
  for (std::size_t begin = 0; begin < nodes.size();) {
    std::size_t end = begin;
    while (end < nodes.size() && nodes[end] == nodes[begin]) ++end;
    size = std::gcd(size, end - begin);
    begin = end;
  }
  return size;
}

}  // namespace lockstep
