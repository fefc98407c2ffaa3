#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "lockstep/core/partition.hpp"
#include "lockstep/io/shard_reader.hpp"

/// Which rows form the micro-batch of every shard in every step. Nothing here knows how many ranks there are.
namespace lockstep {

/// How the training rows fall into batches and shards. Row i stands at position q = i mod batch_size of its
/// batch and belongs to the shard j whose block_partition(batch_size, shards, j) contains q. Requires 1 ≤
/// shards ≤ batch_size.
struct BatchPlan {
  std::size_t rows = 0;        // training rows over all ranks
  std::size_t batch_size = 0;  // rows of one step over all ranks
  std::size_t shards = 0;
  bool drop_last = false;  // leave out a last batch that is short

  std::size_t steps_per_epoch() const;
  /// Rows of step `step_in_epoch` over all shards; fewer than batch_size in a short last batch.
  std::size_t global_rows(std::size_t step_in_epoch) const;
  /// Positions in a full batch that belong to `shard`.
  Range positions(std::size_t shard) const { return block_partition(batch_size, shards, shard); }
  /// Rows that belong to `shard`, a short last batch included.
  std::size_t shard_rows(std::size_t shard) const;
};

/// The file rows that a rank with the contiguous shards `own_shards` reads, ascending. `selection` are the
/// file rows used for training: the i-th of them is row i of the plan. Requires row_count(selection) =
/// plan.rows.
RowRuns rows_of_shards(const BatchPlan& plan, Range own_shards, const RowRuns& selection);

/// The rows of each micro-batch of a rank's own shards, as indices into the rows that the rank has loaded
/// (rows_of_shards, ascending). Without shuffling batches are in file order. With it every shard permutes its
/// own rows anew at the start of each epoch, by random numbers that depend on seed, epoch and shard alone.
class BatchSampler {
 public:
  BatchSampler(const BatchPlan& plan, Range own_shards, bool shuffle, std::uint64_t seed);

  /// Has to be called before the first micro_batch() of each epoch (0-based); any epoch may follow any other.
  void start_epoch(std::uint64_t epoch);

  /// Local row indices of own shard `shard` in step `step_in_epoch`; empty where a short last batch has no
  /// rows for it. Valid until the next start_epoch().
  std::span<const std::uint32_t> micro_batch(std::size_t shard, std::uint64_t step_in_epoch) const;
  /// Position of the micro-batch's first row in its global batch; its other rows follow.
  std::size_t first_position(std::size_t shard) const { return plan_.positions(shard).begin; }
  /// Rows of the step over all ranks.
  std::size_t global_rows(std::uint64_t step_in_epoch) const {
    return plan_.global_rows(static_cast<std::size_t>(step_in_epoch));
  }
  std::size_t steps_per_epoch() const { return plan_.steps_per_epoch(); }
  const BatchPlan& plan() const { return plan_; }

 private:
  std::uint32_t local_row(std::size_t shard, std::size_t shard_row) const;

  BatchPlan plan_;
  Range own_shards_;
  bool shuffle_;
  std::uint64_t seed_;
  std::vector<std::vector<std::uint32_t>> order_;  // per own shard: its local rows in the order of this epoch
};

}  // namespace lockstep
