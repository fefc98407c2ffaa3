#pragma once

#include <cstdint>
#include <vector>

#include "lockstep/dist/communicator.hpp"
#include "lockstep/train/evaluator.hpp"

namespace lockstep {

/// The running sums of one epoch, one entry per shard of the whole training set; a rank fills those of its
/// own shards. Each is a chain over the epoch's steps; the shards are added over the summation tree at the
/// end of the epoch.
struct EpochSums {
  EpochSums() = default;
  explicit EpochSums(std::size_t shards) : loss_sums(shards), correct_counts(shards), row_counts(shards) {}
  std::vector<double> loss_sums;
  std::vector<std::int64_t> correct_counts;
  std::vector<std::int64_t> row_counts;
};

/// The sums of all shards on every rank. Collective.
EpochSums gather_epoch_sums(const Communicator& world, const EpochSums& sums, Range own_shards);

/// Mean loss and accuracy over all shards, from gathered sums.
Evaluation epoch_means(const ModelSpec& spec, const EpochSums& gathered);

/// Mean loss over the own shards so far; 0 before the first row.
double local_mean_loss(const EpochSums& sums, Range own_shards);

}  // namespace lockstep
