#include "lockstep/dist/communicator.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

namespace lockstep {
namespace {

TEST(Communicator, HoldsAllRanksWithRootFirst) {
  const Communicator world = Communicator::world();
  int world_rank = -1, world_size = -1, rank = -1;
  MPI_Comm_rank(MPI_COMM_WORLD, &world_rank);
  MPI_Comm_size(MPI_COMM_WORLD, &world_size);
  MPI_Comm_rank(world.handle(), &rank);
  EXPECT_EQ(world.rank(), rank);
  EXPECT_EQ(world.size(), world_size);
  EXPECT_EQ(world.is_root(), world_rank == 0);
  EXPECT_FALSE(world.host().empty());
}

TEST(Communicator, RanksOfANodeAreContiguous) {
  const Communicator world = Communicator::world();
  const std::int32_t node = world.node();
  const std::vector<std::int32_t> nodes = world.all_gather_v<std::int32_t>(std::span(&node, 1));
  EXPECT_TRUE(std::is_sorted(nodes.begin(), nodes.end()));
  EXPECT_EQ(nodes.front(), 0);
  EXPECT_EQ(nodes.back(), world.nodes() - 1);
}

TEST(Communicator, BroadcastsTextsOfAnyLengthFromAnyRoot) {
  const Communicator world = Communicator::world();
  std::string long_text(3'000'001, 'x');
  for (std::size_t i = 0; i < long_text.size(); ++i) long_text[i] = static_cast<char>(i * 31 % 251);
  for (int root = 0; root < world.size(); ++root) {
    for (const std::string& text : {std::string(), std::string("a\0b", 3), long_text}) {
      EXPECT_EQ(world.broadcast(world.rank() == root ? text : std::string("other"), root), text);
    }
  }
}

template <class T>
class CommunicatorOf : public ::testing::Test {};
using ElementTypes = ::testing::Types<float, double, std::int32_t, std::int64_t, std::uint64_t>;
TYPED_TEST_SUITE(CommunicatorOf, ElementTypes);

TYPED_TEST(CommunicatorOf, BroadcastsValues) {
  const Communicator world = Communicator::world();
  const int root = world.size() - 1;
  std::vector<TypeParam> expected(1000);
  std::iota(expected.begin(), expected.end(), TypeParam{7});
  std::vector<TypeParam> values(1000);
  if (world.rank() == root) values = expected;
  world.broadcast(std::span(values), root);
  EXPECT_EQ(values, expected);
  world.broadcast(std::span(values).first(0), root);
}

TYPED_TEST(CommunicatorOf, GathersPartsOfDifferentLengthsInRankOrder) {
  const Communicator world = Communicator::world();
  std::vector<TypeParam> expected;
  for (int rank = 0; rank < world.size(); ++rank) {
    expected.insert(expected.end(), static_cast<std::size_t>(rank), static_cast<TypeParam>(10 + rank));
  }
  const std::vector<TypeParam> mine(static_cast<std::size_t>(world.rank()),
                                    static_cast<TypeParam>(10 + world.rank()));
  EXPECT_EQ(world.all_gather_v<TypeParam>(mine), expected);
}

TEST(Communicator, GathersTexts) {
  const Communicator world = Communicator::world();
  const auto text_of = [](int rank) {
    return std::string(static_cast<std::size_t>(rank) * 1000, 'a') + "end";
  };
  const std::vector<std::string> texts = world.gather_text(text_of(world.rank()));
  ASSERT_EQ(texts.size(), world.is_root() ? static_cast<std::size_t>(world.size()) : 0u);
  for (std::size_t rank = 0; rank < texts.size(); ++rank)
    EXPECT_EQ(texts[rank], text_of(static_cast<int>(rank)));
  for (const std::string& text : world.gather_text("")) EXPECT_EQ(text, "");
}

TEST(Communicator, ReducesIntegers) {
  const Communicator world = Communicator::world();
  constexpr std::int64_t large = std::int64_t{1} << 40;
  const std::int64_t size = world.size();
  EXPECT_EQ(world.all_reduce_max(large - world.rank()), large);
  EXPECT_EQ(world.all_reduce_min(large - world.rank()), large - (size - 1));
  EXPECT_EQ(world.all_reduce_sum(large + world.rank()), size * large + size * (size - 1) / 2);
}

TEST(Communicator, SumsOverTheRanksOfANode) {
  const Communicator world = Communicator::world();
  const std::int32_t node = world.node();
  const std::vector<std::int32_t> nodes = world.all_gather_v(std::span(&node, 1));
  std::size_t expected = 0;
  for (std::size_t rank = 0; rank < nodes.size(); ++rank) expected += nodes[rank] == node ? rank : 0;
  EXPECT_EQ(world.node_sum(static_cast<std::size_t>(world.rank())), expected);
}

}  // namespace
}  // namespace lockstep
