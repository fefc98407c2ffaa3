#include "lockstep/dist/gradient_exchange.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "lockstep/core/error.hpp"

namespace lockstep {
namespace {

/// Numbers of mixed sign over many magnitudes, so that nearly every change of order changes bits.
template <class T>
T term(std::size_t shard, std::size_t element, std::uint64_t salt = 0) {
  std::uint64_t bits = (salt * 1'000'003 + shard) * 1'000'000'007 + element + 1;
  bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9;
  bits = (bits ^ (bits >> 27)) * 0x94d049bb133111eb;
  bits ^= bits >> 31;
  const double mantissa = static_cast<double>(static_cast<std::int64_t>(bits >> 11)) * 0x1p-53 - 0.5;
  return static_cast<T>(std::ldexp(mantissa, static_cast<int>(bits % 13)));
}

/// The fixed tree, straight from its definition.
template <class T>
T tree_sum_of(std::size_t begin, std::size_t end, std::size_t element, std::uint64_t salt) {
  if (end - begin == 1) return term<T>(begin, element, salt);
  std::size_t left = 1;
  while (2 * left < end - begin) left *= 2;
  return tree_sum_of<T>(begin, begin + left, element, salt) +
         tree_sum_of<T>(begin + left, end, element, salt);
}

template <class T>
void fill(GradientExchange<T>& exchange, const ParameterLayout& layout, std::uint64_t salt) {
  exchange.accumulator().reset();
  for (std::size_t shard = exchange.own_shards().begin; shard < exchange.own_shards().end; ++shard) {
    T* const gradient = exchange.accumulator().next_term();
    for (std::size_t i = 0; i < layout.size(); ++i) gradient[i] = term<T>(shard, i, salt);
    exchange.accumulator().add_term();
  }
}

/// The sum over all shards of this rank's slice, added up in chunks.
template <class T>
std::vector<T> slice_sum(GradientExchange<T>& exchange) {
  std::vector<T> sum;
  for (std::size_t begin = 0; begin < exchange.own_slice().size(); begin += chunk_elements) {
    const Range elements{begin, std::min(begin + chunk_elements, exchange.own_slice().size())};
    const T* const chunk = exchange.slice_sum(elements);
    sum.insert(sum.end(), chunk, chunk + elements.size());
  }
  return sum;
}

template <class T>
std::vector<T> reduced_slice(GradientExchange<T>& exchange, const ParameterLayout& layout,
                             std::uint64_t salt) {
  fill(exchange, layout, salt);
  exchange.share_sums(0);
  std::vector<T> sum = slice_sum(exchange);
  exchange.share_slices();
  return sum;
}

/// One whole step without gradients.
template <class T>
StepFlags exchange_flags(GradientExchange<T>& exchange, const ParameterLayout& layout, StepFlags mine) {
  fill(exchange, layout, 0);
  const StepFlags all = exchange.share_sums(mine);
  exchange.share_slices();
  return all;
}

/// Number of elements of the slice whose bits are not those of the tree.
template <class T>
std::size_t elements_unlike_tree(const std::vector<T>& sum, Range slice, std::size_t shards,
                                 std::uint64_t salt) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < sum.size(); ++i) {
    const T expected = tree_sum_of<T>(0, shards, slice.begin + i, salt);
    count += std::memcmp(&sum[i], &expected, sizeof(T)) == 0 ? 0 : 1;
  }
  return count;
}

template <class T>
std::vector<ParameterLayout> layouts() {
  return {
      ParameterLayout({1, 1}, sizeof(T)),          // fewer blocks than ranks
      ParameterLayout({3, 5, 2}, sizeof(T)),       // tiny, mostly padding
      ParameterLayout({70, 67, 1, 9}, sizeof(T)),  // a tensor of two blocks among small ones
      ParameterLayout({131, 127, 10}, sizeof(T)),  // five blocks in the first kernel
  };
}

std::size_t ranks_of(const Communicator& world) {
  return static_cast<std::size_t>(world.size());
}

template <class T>
class GradientExchangeOf : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(GradientExchangeOf, Types);

constexpr Transport transports[] = {Transport::automatic, Transport::messages};

/// Rounds in place of direct messages between any number of groups, where they are possible, and as by
/// default.
constexpr HalvingRule always_halve{2, std::numeric_limits<std::size_t>::max()};
constexpr HalvingRule halving_rules[] = {always_halve, {}};

TYPED_TEST(GradientExchangeOf, SumHasTheBitsOfTheTreeForAnyRankCount) {
  const Communicator world = Communicator::world();
  const auto check = [&](GradientExchange<TypeParam> exchange, const ParameterLayout& layout,
                         std::size_t shards) {
    for (std::uint64_t step = 0; step < 3; ++step) {
      const std::vector<TypeParam> sum = reduced_slice(exchange, layout, step);
      ASSERT_EQ(elements_unlike_tree(sum, exchange.own_slice(), shards, step), 0u)
          << layout.size() << " elements, " << shards << " shards, " << exchange.transport();
    }
  };
  for (const Transport transport : transports) {
    for (const ParameterLayout& layout : layouts<TypeParam>()) {
      for (std::size_t shards = ranks_of(world); shards <= 17; ++shards) {
        for (const HalvingRule rule : halving_rules) {
          check({world, layout, shards, Reduction::reproducible, transport, rule}, layout, shards);
        }
      }
    }
  }
}

TYPED_TEST(GradientExchangeOf, RanksOfOneGroupShareFactors) {
  const Communicator world = Communicator::world();
  constexpr std::size_t elements = 5000;
  for (const Transport transport : transports) {
    GradientExchange<TypeParam> exchange(world, layouts<TypeParam>().back(), 17, Reduction::reproducible,
                                         transport, {}, {elements, {1, 100}});
    if (exchange.copies() > 1) {
      EXPECT_TRUE(exchange.factors().empty());
      continue;
    }
    if (world.size() == 2) {  // the second layer's kernel and bias cost more than all before
      EXPECT_EQ(exchange.own_blocks(), (world.is_root() ? Range{0, 6} : Range{6, 8}));
    }
    ASSERT_EQ(exchange.factors().size(), elements);
    const Range own = block_partition(elements, ranks_of(world), static_cast<std::size_t>(world.rank()));
    for (std::size_t i = own.begin; i < own.end; ++i) exchange.factors()[i] = static_cast<TypeParam>(i);
    EXPECT_EQ(exchange.share_sums(1U << static_cast<unsigned>(world.rank() + 2)),
              ((1U << ranks_of(world)) - 1) << 2);
    for (std::size_t i = 0; i < elements; ++i) ASSERT_EQ(exchange.factors()[i], static_cast<TypeParam>(i));
    exchange.share_slices();
  }
}

TYPED_TEST(GradientExchangeOf, PlainAllreduceDoesNotHaveTheBitsOfTheTree) {
  const Communicator world = Communicator::world();
  const std::size_t shards = 2 * ranks_of(world) + 1;  // no rank but a single one holds a whole subtree
  const ParameterLayout layout({131, 127, 10}, sizeof(TypeParam));
  GradientExchange<TypeParam> exchange(world, layout, shards, Reduction::allreduce);
  const std::vector<TypeParam> sum = reduced_slice(exchange, layout, 1);
  const auto unlike = elements_unlike_tree(sum, exchange.own_slice(), shards, 1);
  const std::int64_t unlike_on_all = world.all_reduce_sum(static_cast<std::int64_t>(unlike));
  if (world.size() == 1) {
    EXPECT_EQ(unlike_on_all, 0);
  } else {
    EXPECT_GT(unlike_on_all, 1000);
  }
}

TYPED_TEST(GradientExchangeOf, PlainAllreduceIsTheSumUpToRounding) {
  const Communicator world = Communicator::world();
  for (const ParameterLayout& layout : layouts<TypeParam>()) {
    for (const std::size_t shards : {ranks_of(world), ranks_of(world) + 3, std::size_t{16}}) {
      GradientExchange<TypeParam> exchange(world, layout, shards, Reduction::allreduce);
      const std::vector<TypeParam> sum = reduced_slice(exchange, layout, 2);
      const double tolerance = 17 * 4096 * static_cast<double>(std::numeric_limits<TypeParam>::epsilon());
      for (std::size_t i = 0; i < sum.size(); ++i) {
        const std::size_t element = exchange.own_slice().begin + i;
        ASSERT_NEAR(sum[i], tree_sum_of<TypeParam>(0, shards, element, 2), tolerance);
      }
    }
  }
}

TYPED_TEST(GradientExchangeOf, FlagsOfAllRanksArriveEverywhere) {
  const Communicator world = Communicator::world();
  // Bits that are a signaling NaN as a float among them.
  const StepFlags patterns[] = {1, step_flag_non_finite, 0x7fa00000u, 0xffffffffu};
  const std::pair<Reduction, Transport> kinds[] = {{Reduction::reproducible, Transport::automatic},
                                                   {Reduction::reproducible, Transport::messages},
                                                   {Reduction::allreduce, Transport::automatic}};
  for (const auto& [reduction, transport] : kinds) {
    for (const ParameterLayout& layout : layouts<TypeParam>()) {
      for (const std::size_t shards : {16, 17}) {
        GradientExchange<TypeParam> exchange(world, layout, shards, reduction, transport);
        for (int raising = 0; raising < world.size(); ++raising) {
          for (const StepFlags pattern : patterns) {
            EXPECT_EQ(exchange_flags(exchange, layout, world.rank() == raising ? pattern : 0), pattern);
          }
        }
        EXPECT_EQ(exchange_flags(exchange, layout, 0), 0u);
        const StepFlags all_ranks = (StepFlags{1} << world.size()) - 1;
        EXPECT_EQ(exchange_flags(exchange, layout, StepFlags{1} << world.rank()), all_ranks);
      }
    }
  }
}

TYPED_TEST(GradientExchangeOf, NonFiniteGradientsPassThrough) {
  const Communicator world = Communicator::world();
  const ParameterLayout layout({3, 5, 2}, sizeof(TypeParam));
  GradientExchange<TypeParam> exchange(world, layout, 17, Reduction::reproducible);
  exchange.accumulator().reset();
  for (std::size_t shard = exchange.own_shards().begin; shard < exchange.own_shards().end; ++shard) {
    const TypeParam value = shard == 8 ? std::numeric_limits<TypeParam>::infinity() : TypeParam{1};
    std::fill_n(exchange.accumulator().next_term(), layout.size(), value);
    exchange.accumulator().add_term();
  }
  exchange.share_sums(0);
  for (const TypeParam value : slice_sum(exchange))
    EXPECT_EQ(value, std::numeric_limits<TypeParam>::infinity());
}

TYPED_TEST(GradientExchangeOf, EverySliceArrivesOnAllRanks) {
  const Communicator world = Communicator::world();
  const auto check = [](GradientExchange<TypeParam> exchange) {
    const std::span<TypeParam> parameters = exchange.parameters();
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(parameters.data()) % 64, 0u);
    for (const TypeParam value : parameters) ASSERT_EQ(value, TypeParam{0});
    const Range own = exchange.own_slice();
    exchange.synchronize();
    for (std::uint64_t step = 0; step < 3; ++step) {
      for (std::size_t i = own.begin; i < own.end; ++i) parameters[i] = term<TypeParam>(0, i, step);
      exchange.share_slices();
      for (std::size_t i = 0; i < parameters.size(); ++i)
        ASSERT_EQ(parameters[i], term<TypeParam>(0, i, step));
      exchange.synchronize();
    }
  };
  for (const Transport transport : transports) {
    for (const ParameterLayout& layout : layouts<TypeParam>()) {
      for (const std::size_t shards : {16, 17}) {  // rounds are possible with 16
        check({world, layout, shards, Reduction::reproducible, transport, always_halve});
      }
    }
  }
}

TYPED_TEST(GradientExchangeOf, BlockSumsOfAllRanksArriveEverywhere) {
  const Communicator world = Communicator::world();
  for (const Transport transport : transports) {
    for (const ParameterLayout& layout : layouts<TypeParam>()) {
      GradientExchange<TypeParam> exchange(world, layout, 17, Reduction::reproducible, transport);
      const Range own = exchange.own_blocks();
      for (std::size_t round = 0; round < 5; ++round) {
        std::vector<double> sums(layout.blocks(), -1);
        for (std::size_t block = own.begin; block < own.end; ++block)
          sums[block] = term<double>(round, block);
        exchange.complete_block_sums(sums);
        for (std::size_t block = 0; block < sums.size(); ++block)
          ASSERT_EQ(sums[block], term<double>(round, block));
      }
    }
  }
}

TYPED_TEST(GradientExchangeOf, SlicesAreGatheredOnTheRootAndScattered) {
  const Communicator world = Communicator::world();
  for (const ParameterLayout& layout : layouts<TypeParam>()) {
    GradientExchange<TypeParam> exchange(world, layout, 17, Reduction::reproducible);
    std::vector<TypeParam> slice;
    const Range own = exchange.own_slice();
    for (std::size_t i = own.begin; i < own.end; ++i) slice.push_back(term<TypeParam>(2, i));
    std::vector<TypeParam> full;
    exchange.gather_to_root(slice, full);
    ASSERT_EQ(full.size(), world.is_root() ? layout.size() : 0u);
    for (std::size_t i = 0; i < full.size(); ++i) ASSERT_EQ(full[i], term<TypeParam>(2, i));

    std::vector<TypeParam> back(slice.size());
    exchange.scatter_from_root(full, back);
    EXPECT_EQ(back, slice);
  }
}

TEST(GradientExchange, RanksOfANodeShareTheWeightsUnlessTheyAreToExchangeMessages) {
  const Communicator world = Communicator::world();
  const ParameterLayout layout({3, 2}, sizeof(float));
  const GradientExchange<float> shared(world, layout, 17, Reduction::reproducible, Transport::automatic);
  const GradientExchange<float> messages(world, layout, 17, Reduction::reproducible, Transport::messages);
  EXPECT_EQ(messages.transport(), world.size() == 1 ? "none" : "messages");
  EXPECT_EQ(messages.part_of(10), (Range{0, 10}));
  if (world.nodes() > 1) return;
  EXPECT_EQ(shared.transport(), world.size() == 1 ? "none" : "shared memory");
  EXPECT_EQ(shared.part_of(10), block_partition(10, ranks_of(world), static_cast<std::size_t>(world.rank())));
  EXPECT_EQ(shared.fallback(), "");
}

TEST(GradientExchange, MoreRanksThanShardsAreRefusedOnAllRanks) {
  const Communicator world = Communicator::world();
  const ParameterLayout layout({3, 2}, sizeof(float));
  try {
    GradientExchange<float>(world, layout, ranks_of(world) - 1, Reduction::reproducible);
    FAIL();
  } catch (const UserError& error) {
    EXPECT_NE(std::string(error.what()).find("--shards"), std::string::npos);
  }
}

TEST(SliceBlocks, CoverTheVectorInOrderAndAreBalanced) {
  for (const ParameterLayout& layout : layouts<float>()) {
    for (std::size_t parts = 1; parts <= 40; ++parts) {
      std::size_t next = 0;
      const std::vector<Range> slices = slice_blocks(layout, parts);
      ASSERT_EQ(slices.size(), parts);
      for (const Range& blocks : slices) {
        ASSERT_EQ(blocks.begin, next);
        ASSERT_LE(blocks.begin, blocks.end);
        next = blocks.end;
        const std::size_t elements = layout.block_starts()[blocks.end] - layout.block_starts()[blocks.begin];
        EXPECT_LE(elements, layout.size() / parts + 1 + 4096 + 16);  // a block with padding
      }
      EXPECT_EQ(next, layout.blocks());
    }
  }
}

TEST(SliceBlocks, GiveEachPartAboutTheSameCost) {
  const ParameterLayout layout({500, 400, 300, 10}, sizeof(float));
  const std::vector<double> costs{1, 3, 20};
  const auto cost_of = [&](Range elements) {
    double cost = 0;
    for (std::size_t layer = 0; layer < layout.layers(); ++layer) {
      const std::size_t begin = layout.kernel(layer).offset;
      const std::size_t end = layer + 1 < layout.layers() ? layout.kernel(layer + 1).offset : layout.size();
      const std::size_t first = std::max(begin, elements.begin), last = std::min(end, elements.end);
      if (first < last) cost += costs[layer] * static_cast<double>(last - first);
    }
    return cost;
  };
  const double all = cost_of({0, layout.size()});
  for (std::size_t parts = 1; parts <= 8; ++parts) {
    for (const Range& blocks : slice_blocks(layout, parts, costs)) {
      const double cost = cost_of({layout.block_starts()[blocks.begin], layout.block_starts()[blocks.end]});
      EXPECT_NEAR(cost, all / static_cast<double>(parts), 20 * (3000 + 16)) << parts;  // the largest block
    }
  }
}

}  // namespace
}  // namespace lockstep
