#include "lockstep/train/training_data.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "lockstep/dist/agreement.hpp"
#include "lockstep/io/shard_reader.hpp"
#include "lockstep/train/evaluator.hpp"

namespace lockstep {
namespace {

/// The labels of the first `rows` training rows on every rank.
std::vector<std::int32_t> broadcast_classes(const Communicator& world, const DatasetInfo& info,
                                            std::size_t rows) {
  const auto on_rank_0 = on_root(world, [&] { return read_classes_serial(info, Split::train); });
  std::vector<std::int32_t> classes(rows);
  if (on_rank_0) std::copy_n(on_rank_0->begin(), rows, classes.begin());
  world.broadcast(std::span(classes));
  return classes;
}

/// The part of the rows in `selection` at the positions `part`, counted over the selection.
RowRuns take(const RowRuns& selection, Range part) {
  RowRuns taken;
  std::size_t first = 0;
  for (const Range& run : selection) {
    const std::size_t begin = std::max(part.begin, first);
    const std::size_t end = std::min(part.end, first + run.size());
    if (begin < end) taken.push_back({run.begin + (begin - first), run.begin + (end - first)});
    first += run.size();
  }
  return taken;
}

/// Up to this share of non-zero elements, leaving out the others is faster (measured: 2 to 4 times at MNIST's
/// 0.19, nothing gained at 0.45).
constexpr double sparse_share = 0.35;

/// Lets the products leave out zeros if the training rows of all ranks have enough of them. Changes no
/// result.
template <class T>
void index_nonzeros(const Communicator& world, const DatasetInfo& info, std::size_t all_rows, Rows<T>& rows) {
  if (info.features > NonZeroIndex::most_columns || all_rows == 0) return;
  std::vector<T> row(rows.features);
  std::int64_t nonzeros = 0, too_small = 0;
  for (std::size_t i = 0; i < rows.count; ++i) {
    rows.copy_x(i, row.data());
    for (const T value : row) {
      nonzeros += value != T(0) ? 1 : 0;
      too_small += value != T(0) && std::abs(value) < T(NonZeroIndex::least_magnitude) ? 1 : 0;
    }
  }
  const double all_elements = static_cast<double>(all_rows) * static_cast<double>(info.features);
  const auto all_nonzeros = static_cast<double>(world.all_reduce_sum(nonzeros));
  if (world.all_reduce_sum(too_small) > 0 || all_nonzeros > sparse_share * all_elements) return;

  rows.nonzeros.reserve(rows.count, static_cast<std::size_t>(nonzeros));
  for (std::size_t i = 0; i < rows.count; ++i) {
    rows.copy_x(i, row.data());
    rows.nonzeros.append(std::span<const T>(row));
  }
}

std::size_t rows_of(const BatchPlan& plan, Range shards) {
  std::size_t rows = 0;
  for (std::size_t shard = shards.begin; shard < shards.end; ++shard) rows += plan.shard_rows(shard);
  return rows;
}

}  // namespace

RowSplit select_training_rows(const Communicator& world, const TrainConfig& config, const DatasetInfo& info) {
  const std::size_t rows = limited_train_rows(config, info);
  if (config.validation_split > 0 && config.validation_stratified) {
    const std::vector<std::int32_t> classes = broadcast_classes(world, info, rows);
    return collectively(world,
                        [&] { return split_per_class(classes, config.validation_split, config.seed); });
  }
  return collectively(world, [&] { return split_last(rows, config.validation_split); });
}

template <class T>
TrainingData<T> load_training_data(const Communicator& world, const TrainConfig& config,
                                   const DatasetInfo& info) {
  const RowSplit split = select_training_rows(world, config, info);
  const bool all_evaluate = config.evaluator == Evaluator::all;

  TrainingData<T> data;
  data.plan = collectively(world, [&] { return make_batch_plan(config, row_count(split.training)); });
  data.own_shards = block_partition(*config.shards, static_cast<std::size_t>(world.size()),
                                    static_cast<std::size_t>(world.rank()));
  // Before the rows are listed, which takes memory and time for a file that promises more than there can be.
  collectively(world, [&] { check_rows_fit<T>(info, Split::train, rows_of(data.plan, data.own_shards)); });
  data.train =
      read_rows<T>(world, info, Split::train, rows_of_shards(data.plan, data.own_shards, split.training));
  if (config.arithmetic == Arithmetic::exact) index_nonzeros(world, info, data.plan.rows, data.train);
  data.validation_rows = row_count(split.validation);
  if (data.validation_rows > 0) {
    const Range own = evaluation_rows(data.validation_rows, world, all_evaluate);
    data.validation = read_rows<T>(world, info, Split::train, take(split.validation, own));
  }
  data.test_rows = config.limit_test ? std::min(*config.limit_test, info.test_rows) : info.test_rows;
  if (data.test_rows > 0) {
    const Range own = evaluation_rows(data.test_rows, world, all_evaluate);
    data.test = read_rows<T>(world, info, Split::test, own.empty() ? RowRuns{} : RowRuns{own});
  }
  return data;
}

template TrainingData<float> load_training_data<float>(const Communicator&, const TrainConfig&,
                                                       const DatasetInfo&);
template TrainingData<double> load_training_data<double>(const Communicator&, const TrainConfig&,
                                                         const DatasetInfo&);

}  // namespace lockstep
