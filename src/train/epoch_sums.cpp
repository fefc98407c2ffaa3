#include "lockstep/train/epoch_sums.hpp"

#include <limits>
#include <span>

#include "lockstep/core/summation_tree.hpp"

namespace lockstep {
namespace {

template <class T>
std::span<const T> part(const std::vector<T>& values, Range range) {
  return std::span(values).subspan(range.begin, range.size());
}

}  // namespace

EpochSums gather_epoch_sums(const Communicator& world, const EpochSums& sums, Range own_shards) {
  // Shards are contiguous in rank order, so concatenating the ranks' parts restores their order.
  EpochSums gathered;
  gathered.loss_sums = world.all_gather_v(part(sums.loss_sums, own_shards));
  gathered.correct_counts = world.all_gather_v(part(sums.correct_counts, own_shards));
  gathered.row_counts = world.all_gather_v(part(sums.row_counts, own_shards));
  return gathered;
}

Evaluation epoch_means(const ModelSpec& spec, const EpochSums& gathered) {
  const auto global_rows = static_cast<double>(tree_sum<std::int64_t>(gathered.row_counts));
  const auto global_correct = static_cast<double>(tree_sum<std::int64_t>(gathered.correct_counts));
  const double global_loss_sum = tree_sum<double>(gathered.loss_sums);
  return {global_loss_sum / global_rows, has_accuracy(spec.output_loss)
                                             ? global_correct / global_rows
                                             : std::numeric_limits<double>::quiet_NaN()};
}

double local_mean_loss(const EpochSums& sums, Range own_shards) {
  const auto rows = static_cast<double>(tree_sum(part(sums.row_counts, own_shards)));
  return rows > 0 ? tree_sum(part(sums.loss_sums, own_shards)) / rows : 0;
}

}  // namespace lockstep
