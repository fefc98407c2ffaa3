#include "lockstep/dist/recursive_halving.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <optional>
#include <vector>

#include "lockstep/core/summation_tree.hpp"

namespace lockstep {
namespace {

/// Numbers of many magnitudes: another order of additions has other bits.
float term(std::size_t rank, std::size_t element, int round) {
  const auto mixed = static_cast<double>((rank * 7919 + element * 104729 + 31) % 1009) / 1009 - 0.5;
  return static_cast<float>(std::ldexp(mixed, static_cast<int>((rank * 5 + element * 3) % 23) + round));
}

/// Slices of different lengths, one of them empty, with gaps between them.
std::vector<Range> uneven_slices(std::size_t ranks) {
  std::vector<Range> slices;
  for (std::size_t r = 0; r < ranks; ++r) slices.push_back({1000 * r, 1000 * r + (r == 1 ? 0 : 300 + 7 * r)});
  return slices;
}

class RecursiveHalvingTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!std::has_single_bit(ranks)) GTEST_SKIP() << "not a power of two";
    halving.emplace(world, slices);
  }

  const Communicator world = Communicator::world();
  const std::size_t ranks = static_cast<std::size_t>(world.size()),
                    rank = static_cast<std::size_t>(world.rank());
  const std::vector<Range> slices = uneven_slices(ranks);
  std::optional<RecursiveHalving<float>> halving;
};

TEST_F(RecursiveHalvingTest, SumsAreThoseOfTheTreeAndFlagsOfAllRanksArrive) {
  for (int round = 0; round < 3; ++round) {
    const StepFlags mine = StepFlags{1} << (rank + static_cast<std::size_t>(round));
    const StepFlags all = halving->reduce(mine, [&](Range elements, float* to) {
      for (std::size_t i = elements.begin; i < elements.end; ++i) *to++ = term(rank, i, round);
    });
    EXPECT_EQ(all, ((StepFlags{1} << ranks) - 1) << round);
    std::vector<float> terms(ranks);
    for (std::size_t i = slices[rank].begin; i < slices[rank].end; ++i) {
      for (std::size_t r = 0; r < ranks; ++r) terms[r] = term(r, i, round);
      ASSERT_EQ(halving->own_sum()[i - slices[rank].begin], tree_sum<float>(terms));
    }
  }
}

TEST_F(RecursiveHalvingTest, GatherBringsEverySliceToAllRanksAndLeavesTheGaps) {
  for (int round = 0; round < 3; ++round) {
    std::vector<float> vector(1000 * ranks, -1), expected(1000 * ranks, -1);
    for (std::size_t r = 0; r < ranks; ++r) {
      for (std::size_t i = slices[r].begin; i < slices[r].end; ++i) {
        expected[i] = term(r, i, round);
        if (r == rank) vector[i] = expected[i];
      }
    }
    halving->gather(vector.data());
    EXPECT_EQ(vector, expected);
  }
}

}  // namespace
}  // namespace lockstep
