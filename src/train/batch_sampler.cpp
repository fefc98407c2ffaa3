#include "lockstep/train/batch_sampler.hpp"

#include <algorithm>

#include "lockstep/core/checked_cast.hpp"
#include "lockstep/core/random.hpp"

namespace lockstep {
namespace {

/// The part of the positions [0, rows) that lies inside `positions`.
std::size_t positions_below(Range positions, std::size_t rows) {
  return std::min(positions.end, rows) - std::min(positions.begin, rows);
}

/// Positions in a full batch that belong to contiguous shards.
Range positions_of(const BatchPlan& plan, Range shards) {
  if (shards.empty()) return {0, 0};
  return {plan.positions(shards.begin).begin, plan.positions(shards.end - 1).end};
}

/// Walks through a selection in ascending order, handing out file rows by their index in the selection.
class SelectionCursor {
 public:
  explicit SelectionCursor(const RowRuns& selection) : selection_(selection) {}

  /// Appends the file rows of the selection's rows `wanted` to `out`. Successive calls have to ascend.
  void append(Range wanted, RowRuns& out) {
    while (!wanted.empty()) {
      const Range& run = selection_[run_];
      if (wanted.begin >= run_first_ + run.size()) {
        run_first_ += run.size();
        ++run_;
        continue;
      }
      const std::size_t begin = run.begin + (wanted.begin - run_first_);
      const std::size_t count = std::min(wanted.size(), run.end - begin);
      if (!out.empty() && out.back().end == begin) {
        out.back().end += count;
      } else {
        out.push_back({begin, begin + count});
      }
      wanted.begin += count;
    }
  }

 private:
  const RowRuns& selection_;
  std::size_t run_ = 0;
  std::size_t run_first_ = 0;  // index in the selection of the run's first row
};

}  // namespace

std::size_t BatchPlan::steps_per_epoch() const {
  const std::size_t full = rows / batch_size;
  return full + (rows % batch_size != 0 && !drop_last ? 1 : 0);
}

std::size_t BatchPlan::global_rows(std::size_t step_in_epoch) const {
  return step_in_epoch < rows / batch_size ? batch_size : rows % batch_size;
}

std::size_t BatchPlan::shard_rows(std::size_t shard) const {
  const Range own = positions(shard);
  return rows / batch_size * own.size() + positions_below(own, rows % batch_size);
}

RowRuns rows_of_shards(const BatchPlan& plan, Range own_shards, const RowRuns& selection) {
  const Range own = positions_of(plan, own_shards);
  RowRuns file_rows;
  SelectionCursor cursor(selection);
  for (std::size_t batch_begin = 0; batch_begin < plan.rows;) {
    const std::size_t batch_rows = std::min(plan.batch_size, plan.rows - batch_begin);
    cursor.append(
        {batch_begin + std::min(own.begin, batch_rows), batch_begin + std::min(own.end, batch_rows)},
        file_rows);
    batch_begin += batch_rows;
  }
  return file_rows;
}

BatchSampler::BatchSampler(const BatchPlan& plan, Range own_shards, bool shuffle, std::uint64_t seed)
    : plan_(plan), own_shards_(own_shards), shuffle_(shuffle), seed_(seed), order_(own_shards.size()) {
  for (std::size_t shard = own_shards.begin; shard < own_shards.end; ++shard) {
    std::vector<std::uint32_t>& order = order_[shard - own_shards.begin];
    order.resize(plan.shard_rows(shard));
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = local_row(shard, i);
  }
}

// Row i of a shard is in batch i / m at place i mod m of the shard's m positions. Loaded rows of a batch
// follow each other; all batches before the last have as many of them as this rank has positions.
std::uint32_t BatchSampler::local_row(std::size_t shard, std::size_t shard_row) const {
  const Range rank_positions = positions_of(plan_, own_shards_);
  const Range own = plan_.positions(shard);
  const std::size_t batch = shard_row / own.size();
  const std::size_t place = own.begin - rank_positions.begin + shard_row % own.size();
  return checked_cast<std::uint32_t>(batch * rank_positions.size() + place, "the number of rows of one rank");
}

void BatchSampler::start_epoch(std::uint64_t epoch) {
  if (!shuffle_) return;
  for (std::size_t shard = own_shards_.begin; shard < own_shards_.end; ++shard) {
    std::vector<std::uint32_t>& order = order_[shard - own_shards_.begin];
    const Philox random(seed_, RandomPurpose::shuffle, checked_cast<std::uint32_t>(epoch, "an epoch"),
                        checked_cast<std::uint32_t>(shard, "a shard"));
    order = random_permutation(random, static_cast<std::uint32_t>(order.size()));
    for (std::uint32_t& row : order) row = local_row(shard, row);
  }
}

std::span<const std::uint32_t> BatchSampler::micro_batch(std::size_t shard,
                                                         std::uint64_t step_in_epoch) const {
  const std::span<const std::uint32_t> order = order_[shard - own_shards_.begin];
  const std::size_t micro_batch_rows = plan_.positions(shard).size();
  const std::size_t begin =
      std::min(order.size(), static_cast<std::size_t>(step_in_epoch) * micro_batch_rows);
  return order.subspan(begin, std::min(micro_batch_rows, order.size() - begin));
}

}  // namespace lockstep
