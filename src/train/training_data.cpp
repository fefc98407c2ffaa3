#include "lockstep/train/training_data.hpp"

#include <algorithm>
#include <cstdint>

#include "lockstep/core/checked_cast.hpp"
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

template <class T>
std::vector<std::int32_t> classes_of(const RowsView<T>& rows, std::size_t count) {
  if (!rows.classes.empty())
    return {rows.classes.begin(), rows.classes.begin() + static_cast<std::ptrdiff_t>(count)};
  std::vector<std::int32_t> classes(count);
  for (std::size_t i = 0; i < count; ++i) classes[i] = rows.values[i] > T(0.5) ? 1 : 0;
  return classes;
}

/// Copies of the rows in `runs`, for those who need them one after the other.
template <class T>
Rows<T> copy_rows(const RowsView<T>& all, const RowRuns& runs) {
  Rows<T> rows;
  rows.count = row_count(runs);
  rows.features = all.features;
  rows.x_scale = all.x_scale;
  rows.value_columns = all.value_columns;
  const auto append = [](auto& to, const auto& from, const Range& run, std::size_t columns) {
    if (from.empty()) return;
    const auto part = from.subspan(run.begin * columns, run.size() * columns);
    to.insert(to.end(), part.begin(), part.end());
  };
  for (const Range& run : runs) {
    append(rows.x_u8, all.x_u8, run, all.features);
    append(rows.x_real, all.x_real, run, all.features);
    append(rows.classes, all.classes, run, 1);
    append(rows.values, all.values, run, all.value_columns);
  }
  return rows;
}

bool is_one_run(const RowRuns& runs) {
  for (std::size_t i = 1; i < runs.size(); ++i) {
    if (runs[i].begin != runs[i - 1].end) return false;
  }
  return !runs.empty();
}

/// The train rows of `runs`, where they stand.
template <class T>
void view_train(const RowsView<T>& all, const RowRuns& runs, TrainingData<T>& data) {
  if (is_one_run(runs)) {
    data.train = neighbouring_rows(all, {runs.front().begin, runs.back().end});
    return;
  }
  data.train_places.reserve(row_count(runs));
  for (const Range& run : runs) {
    for (std::size_t row = run.begin; row < run.end; ++row)
      data.train_places.push_back(checked_cast<std::uint32_t>(row, "a row's number"));
  }
  data.train = all;
  data.train.count = data.train_places.size();
  data.train.places = data.train_places;
}

template <class T>
void view_rows(const Communicator& world, const SharedDataset& shared, const TrainConfig& config,
               const RowRuns& train, const RowRuns& validation, const RowRuns& test, TrainingData<T>& data) {
  const RowsView<T>& all = shared.rows<T>(Split::train);
  view_train(all, train, data);
  // Each node looks for zeros, and for room to note them, on its own.
  const bool everywhere = world.all_reduce_min(all.nonzeros.empty() ? 0 : 1) == 1;
  if (!everywhere || config.arithmetic != Arithmetic::exact) data.train.nonzeros = {};
  if (is_one_run(validation)) {
    data.validation = neighbouring_rows(all, {validation.front().begin, validation.back().end});
  } else {
    data.own_validation = copy_rows(all, validation);
    data.validation = data.own_validation;
  }
  if (data.test_rows == 0) return;
  const RowsView<T>& all_test = shared.rows<T>(Split::test);
  data.test = neighbouring_rows(all_test, test.empty() ? Range{} : test.front());
}

template <class T>
void read_all(const Communicator& world, const TrainConfig& config, const DatasetInfo& info,
              const RowRuns& train, const RowRuns& validation, const RowRuns& test, ProgressBoard* board,
              TrainingData<T>& data) {
  data.own_train = read_rows<T>(world, info, Split::train, train, board);
  if (config.arithmetic == Arithmetic::exact)
    data.has_room_for_index = index_nonzeros(world, data.plan.rows, data.own_train);
  data.train = data.own_train;
  if (data.validation_rows > 0)
    data.own_validation = read_rows<T>(world, info, Split::train, validation, board);
  data.validation = data.own_validation;
  if (data.test_rows > 0) data.own_test = read_rows<T>(world, info, Split::test, test, board);
  data.test = data.own_test;
}

std::size_t rows_of(const BatchPlan& plan, Range shards) {
  std::size_t rows = 0;
  for (std::size_t shard = shards.begin; shard < shards.end; ++shard) rows += plan.shard_rows(shard);
  return rows;
}

}  // namespace

RowSplit select_training_rows(const Communicator& world, const TrainConfig& config, const DatasetInfo& info,
                              const SharedDataset* shared) {
  const std::size_t rows = limited_train_rows(config, info);
  if (config.validation_split > 0 && config.validation_stratified) {
    const bool single = config.precision == Precision::float32;
    const std::vector<std::int32_t> classes = shared == nullptr ? broadcast_classes(world, info, rows)
                                              : single ? classes_of(shared->rows<float>(Split::train), rows)
                                                       : classes_of(shared->rows<double>(Split::train), rows);
    return collectively(world,
                        [&] { return split_per_class(classes, config.validation_split, config.seed); });
  }
  return collectively(world, [&] { return split_last(rows, config.validation_split); });
}

template <class T>
TrainingData<T> load_training_data(const Communicator& world, const TrainConfig& config,
                                   const DatasetInfo& info, const SharedDataset* shared,
                                   ProgressBoard* board) {
  const RowSplit split = select_training_rows(world, config, info, shared);
  const bool all_evaluate = config.evaluator == Evaluator::all;

  TrainingData<T> data;
  data.plan = collectively(world, [&] { return make_batch_plan(config, row_count(split.training)); });
  data.own_shards = block_partition(*config.shards, static_cast<std::size_t>(world.size()),
                                    static_cast<std::size_t>(world.rank()));
  data.validation_rows = row_count(split.validation);
  data.test_rows = config.limit_test ? std::min(*config.limit_test, info.test_rows) : info.test_rows;

  // Before the rows are listed, which takes memory and time for a file that promises more than there can be.
  if (shared == nullptr) check_rows_fit<T>(world, info, Split::train, rows_of(data.plan, data.own_shards));
  const RowRuns train = rows_of_shards(data.plan, data.own_shards, split.training);
  const RowRuns validation =
      take(split.validation, evaluation_rows(data.validation_rows, world, all_evaluate));
  const Range own_test = evaluation_rows(data.test_rows, world, all_evaluate);
  const RowRuns test = own_test.empty() ? RowRuns{} : RowRuns{own_test};
  if (shared != nullptr) {
    view_rows(world, *shared, config, train, validation, test, data);
  } else {
    read_all(world, config, info, train, validation, test, board, data);
  }
  return data;
}

template TrainingData<float> load_training_data<float>(const Communicator&, const TrainConfig&,
                                                       const DatasetInfo&, const SharedDataset*,
                                                       ProgressBoard*);
template TrainingData<double> load_training_data<double>(const Communicator&, const TrainConfig&,
                                                         const DatasetInfo&, const SharedDataset*,
                                                         ProgressBoard*);

}  // namespace lockstep
