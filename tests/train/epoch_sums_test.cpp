#include "lockstep/train/epoch_sums.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace lockstep {
namespace {

TEST(EpochSums, AreGatheredInShardOrderAndAddedOverTheTree) {
  const Communicator world = Communicator::world();
  constexpr std::size_t shards = 7;
  const Range own =
      block_partition(shards, static_cast<std::size_t>(world.size()), static_cast<std::size_t>(world.rank()));
  // Terms whose sum depends on the order: large ones that cancel and small ones that are lost beside them.
  const double losses[shards] = {1e16, 1, -1e16, 1, 3, 1e-3, 7};
  EpochSums sums(shards);
  for (std::size_t j = own.begin; j < own.end; ++j) {
    sums.loss_sums[j] = losses[j];
    sums.correct_counts[j] = static_cast<std::int64_t>(j);
    sums.row_counts[j] = 10;
  }
  const EpochSums gathered = gather_epoch_sums(world, sums, own);
  for (std::size_t j = 0; j < shards; ++j) EXPECT_EQ(gathered.loss_sums[j], losses[j]);

  ModelSpec spec;
  const Evaluation means = epoch_means(spec, gathered);
  const double tree =
      ((losses[0] + losses[1]) + (losses[2] + losses[3])) + ((losses[4] + losses[5]) + losses[6]);
  EXPECT_EQ(means.loss, tree / 70);
  EXPECT_EQ(means.accuracy, 21.0 / 70);

  spec.output_loss = OutputLoss::identity_mse;
  EXPECT_TRUE(std::isnan(epoch_means(spec, gathered).accuracy));
}

TEST(EpochSums, LocalMeanIsOverTheOwnShards) {
  EpochSums sums(3);
  EXPECT_EQ(local_mean_loss(sums, {0, 3}), 0);
  sums.loss_sums = {100, 6, 4};
  sums.row_counts = {1, 3, 2};
  EXPECT_EQ(local_mean_loss(sums, {1, 3}), 2);
}

}  // namespace
}  // namespace lockstep
