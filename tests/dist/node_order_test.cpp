#include "lockstep/dist/node_order.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace lockstep {
namespace {

TEST(NodeOrder, OneNodeKeepsTheOrder) {
  const std::vector<int> first_ranks(5, 0);
  for (std::size_t rank = 0; rank < 5; ++rank) {
    const NodePosition position = node_position(first_ranks, rank);
    EXPECT_EQ(position.rank, static_cast<int>(rank));
    EXPECT_EQ(position.node, 0);
    EXPECT_EQ(position.nodes, 1);
  }
}

TEST(NodeOrder, RanksDealtOutOverNodesBecomeContiguousPerNode) {
  // mpirun --map-by node on three nodes of 3, 3 and 2 ranks: world ranks 0 3 6 | 1 4 7 | 2 5.
  const std::vector<int> first_ranks{0, 1, 2, 0, 1, 2, 0, 1};
  const std::vector<int> ranks{0, 3, 6, 1, 4, 7, 2, 5};
  const std::vector<int> nodes{0, 1, 2, 0, 1, 2, 0, 1};
  for (std::size_t rank = 0; rank < first_ranks.size(); ++rank) {
    const NodePosition position = node_position(first_ranks, rank);
    EXPECT_EQ(position.rank, ranks[rank]);
    EXPECT_EQ(position.node, nodes[rank]);
    EXPECT_EQ(position.nodes, 3);
  }
}

TEST(LargestGroupSize, DividesTheRanksOfEveryNode) {
  using Nodes = std::vector<std::int32_t>;
  EXPECT_EQ(largest_group_size(Nodes{0}), 1U);
  EXPECT_EQ(largest_group_size(Nodes{0, 0, 0}), 3U);
  EXPECT_EQ(largest_group_size(Nodes{0, 0, 1, 1}), 2U);
  EXPECT_EQ(largest_group_size(Nodes{0, 0, 1}), 1U);
  EXPECT_EQ(largest_group_size(Nodes{0, 0, 0, 0, 1, 1}), 2U);
  EXPECT_EQ(largest_group_size(Nodes{0, 0, 0, 1, 1, 1, 1, 1, 1, 2, 2, 2}), 3U);
}

}  // namespace
}  // namespace lockstep
