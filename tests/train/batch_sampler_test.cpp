#include "lockstep/train/batch_sampler.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>
#include <tuple>

namespace lockstep {
namespace {

/// File rows of all micro-batches of one step, shard after shard, gathered from `ranks` samplers as a run
/// would.
std::vector<std::vector<std::size_t>> file_rows_of_epoch(const BatchPlan& plan, const RowRuns& selection,
                                                         std::size_t ranks, bool shuffle,
                                                         std::uint64_t epoch) {
  std::vector<std::vector<std::size_t>> steps(plan.steps_per_epoch());
  for (std::size_t rank = 0; rank < ranks; ++rank) {
    const Range own = block_partition(plan.shards, ranks, rank);
    std::vector<std::size_t> loaded;
    for (const Range& run : rows_of_shards(plan, own, selection)) {
      for (std::size_t row = run.begin; row < run.end; ++row) loaded.push_back(row);
    }
    EXPECT_TRUE(std::is_sorted(loaded.begin(), loaded.end()));
    BatchSampler sampler(plan, own, shuffle, 7);
    sampler.start_epoch(epoch);
    for (std::size_t step = 0; step < steps.size(); ++step) {
      for (std::size_t shard = own.begin; shard < own.end; ++shard) {
        for (const std::uint32_t local : sampler.micro_batch(shard, step))
          steps[step].push_back(loaded.at(local));
      }
    }
  }
  return steps;
}

/// rows, batch size, shards
class BatchSamplerTest : public ::testing::TestWithParam<std::tuple<std::size_t, std::size_t, std::size_t>> {
 protected:
  BatchPlan plan(bool drop_last = false) const {
    const auto [rows, batch_size, shards] = GetParam();
    return {rows, batch_size, shards, drop_last};
  }
  /// Every third file row is left out, so that selection indices differ from file rows.
  RowRuns selection() const {
    RowRuns runs;
    for (std::size_t taken = 0, row = 0; taken < plan().rows; row += 3) {
      const std::size_t count = std::min<std::size_t>(2, plan().rows - taken);
      runs.push_back({row, row + count});
      taken += count;
    }
    return runs;
  }
  static std::size_t file_row(std::size_t selected) { return selected / 2 * 3 + selected % 2; }
};

TEST_P(BatchSamplerTest, UnshuffledBatchesAreInFileOrder) {
  std::size_t next = 0;
  for (const auto& step : file_rows_of_epoch(plan(), selection(), 1, false, 0)) {
    for (const std::size_t row : step) EXPECT_EQ(row, file_row(next++));
  }
  EXPECT_EQ(next, plan().rows);
}

TEST_P(BatchSamplerTest, SameRowsForAnyRankCount) {
  for (const bool shuffle : {false, true}) {
    const auto expected = file_rows_of_epoch(plan(), selection(), 1, shuffle, 3);
    for (std::size_t ranks = 2; ranks <= plan().shards; ++ranks) {
      EXPECT_EQ(file_rows_of_epoch(plan(), selection(), ranks, shuffle, 3), expected) << ranks << " ranks";
    }
  }
}

TEST_P(BatchSamplerTest, ShuffledEpochsHoldEveryRowOnce) {
  for (std::uint64_t epoch = 0; epoch < 3; ++epoch) {
    std::multiset<std::size_t> seen;
    for (const auto& step : file_rows_of_epoch(plan(), selection(), 1, true, epoch))
      seen.insert(step.begin(), step.end());
    std::multiset<std::size_t> expected;
    for (std::size_t i = 0; i < plan().rows; ++i) expected.insert(file_row(i));
    EXPECT_EQ(seen, expected);
  }
}

TEST_P(BatchSamplerTest, RowsOfAStepAddUp) {
  for (const bool drop_last : {false, true}) {
    const BatchPlan p = plan(drop_last);
    std::size_t total = 0;
    const auto steps = file_rows_of_epoch(p, selection(), 1, true, 0);
    EXPECT_EQ(steps.size(), drop_last ? p.rows / p.batch_size : (p.rows + p.batch_size - 1) / p.batch_size);
    for (std::size_t step = 0; step < steps.size(); ++step) {
      EXPECT_EQ(steps[step].size(), p.global_rows(step));
      total += steps[step].size();
    }
    EXPECT_EQ(total, drop_last ? p.rows / p.batch_size * p.batch_size : p.rows);
  }
}

TEST_P(BatchSamplerTest, ShardsKeepTheirRowsWhenShuffled) {
  const BatchPlan p = plan();
  for (std::size_t shard = 0; shard < p.shards; ++shard) {
    const Range own{shard, shard + 1};
    std::set<std::size_t> expected;
    for (std::size_t i = 0; i < p.rows; ++i) {
      if (p.positions(shard).contains(i % p.batch_size)) expected.insert(file_row(i));
    }
    std::set<std::size_t> found;
    for (const Range& run : rows_of_shards(p, own, selection())) {
      for (std::size_t row = run.begin; row < run.end; ++row) found.insert(row);
    }
    EXPECT_EQ(found, expected);
    EXPECT_EQ(found.size(), p.shard_rows(shard));
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, BatchSamplerTest,
                         ::testing::Values(std::tuple{1000, 100, 4},  // everything divides
                                           std::tuple{1003, 100, 8},  // short last batch, S does not divide B
                                           std::tuple{60, 128, 8},    // fewer rows than a batch: empty shards
                                           std::tuple{37, 5, 5},      // one row a shard and step
                                           std::tuple{101, 10, 1}, std::tuple{99, 33, 7}));

TEST(BatchSampler, EpochsAndSeedsShuffleDifferently) {
  const BatchPlan plan{1000, 100, 2, false};
  const auto first_batch = [&](std::uint64_t seed, std::uint64_t epoch) {
    BatchSampler sampler(plan, {0, 2}, true, seed);
    sampler.start_epoch(epoch);
    const auto rows = sampler.micro_batch(1, 0);
    return std::vector<std::uint32_t>(rows.begin(), rows.end());
  };
  EXPECT_NE(first_batch(1, 0), first_batch(1, 1));
  EXPECT_NE(first_batch(1, 0), first_batch(2, 0));
  EXPECT_EQ(first_batch(1, 5), first_batch(1, 5));
}

TEST(BatchSampler, AnyEpochMayFollowAnyOther) {
  const BatchPlan plan{100, 10, 2, false};
  BatchSampler sampler(plan, {0, 2}, true, 1), resumed(plan, {0, 2}, true, 1);
  for (std::uint64_t epoch = 0; epoch <= 4; ++epoch) sampler.start_epoch(epoch);
  resumed.start_epoch(4);
  EXPECT_TRUE(std::ranges::equal(sampler.micro_batch(1, 7), resumed.micro_batch(1, 7)));
}

TEST(BatchSampler, FirstPositionsFollowTheShards) {
  const BatchSampler sampler({100, 10, 4, false}, {0, 4}, false, 0);
  EXPECT_EQ(sampler.first_position(0), 0u);
  EXPECT_EQ(sampler.first_position(1), 3u);
  EXPECT_EQ(sampler.first_position(2), 6u);
  EXPECT_EQ(sampler.first_position(3), 8u);
}

}  // namespace
}  // namespace lockstep
