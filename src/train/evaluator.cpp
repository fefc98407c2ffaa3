#include "lockstep/train/evaluator.hpp"

#include <algorithm>
#include <limits>

#include "lockstep/core/summation_tree.hpp"

namespace lockstep {
namespace {

std::size_t chunk_count(std::size_t rows) {
  return (rows + evaluation_chunk_rows - 1) / evaluation_chunk_rows;
}

/// Rows [begin, begin + count) scaled into `x` (chunk rows, features).
template <class T>
MatrixView<const T> copy_chunk(const RowsView<T>& rows, std::size_t begin, std::size_t count,
                               AlignedVector<T>& x) {
  for (std::size_t i = 0; i < count; ++i) rows.copy_x(begin + i, x.data() + i * rows.features);
  return {x.data(), count, rows.features};
}

}  // namespace

bool has_accuracy(OutputLoss output_loss) {
  return output_loss == OutputLoss::softmax_cross_entropy ||
         output_loss == OutputLoss::sigmoid_binary_cross_entropy;
}

Range evaluation_rows(std::size_t rows, const Communicator& world, bool all_ranks) {
  const auto rank = static_cast<std::size_t>(world.rank());
  if (!all_ranks) return rank == 0 ? Range{0, rows} : Range{0, 0};
  const Range chunks = block_partition(chunk_count(rows), static_cast<std::size_t>(world.size()), rank);
  return {std::min(rows, chunks.begin * evaluation_chunk_rows),
          std::min(rows, chunks.end * evaluation_chunk_rows)};
}

template <class T>
Evaluation evaluate(const Communicator& world, const ModelSpec& spec, const ParameterLayout& layout,
                    std::span<const T> parameters, const RowsView<T>& own, std::size_t rows,
                    ProgressBoard* board) {
  std::vector<double> loss_sums;
  std::vector<std::int64_t> correct_counts;
  const std::size_t largest_chunk = std::min(own.count, evaluation_chunk_rows);
  Workspace<T> workspace(spec, largest_chunk);
  AlignedVector<T> x(largest_chunk * own.features);
  for (std::size_t begin = 0; begin < own.count; begin += evaluation_chunk_rows) {
    const std::size_t count = std::min(evaluation_chunk_rows, own.count - begin);
    const MatrixView<T> logits =
        forward<T>(spec, layout, parameters, copy_chunk(own, begin, count, x), workspace);
    const LossSums sums = loss_and_delta<T>(spec.output_loss, logits, targets_of(own, begin, count),
                                            spec.label_smoothing, MatrixView<T>{});
    loss_sums.push_back(sums.loss_sum);
    correct_counts.push_back(sums.correct_count);
    if (board != nullptr) board->beat();
  }
  const std::vector<double> all_losses = world.all_gather_v<double>(loss_sums);
  const std::vector<std::int64_t> all_correct = world.all_gather_v<std::int64_t>(correct_counts);

  const double global_rows = static_cast<double>(rows);
  const auto correct = static_cast<double>(tree_sum<std::int64_t>(all_correct));
  return {tree_sum<double>(all_losses) / global_rows,
          has_accuracy(spec.output_loss) ? correct / global_rows : std::numeric_limits<double>::quiet_NaN()};
}

template <class T>
Predictions<T> predict(const ModelSpec& spec, const ParameterLayout& layout, std::span<const T> parameters,
                       const RowsView<T>& rows, bool with_hidden) {
  const std::size_t largest_chunk = std::min(rows.count, evaluation_chunk_rows);
  Workspace<T> workspace(spec, largest_chunk);
  AlignedVector<T> x(largest_chunk * rows.features);
  Predictions<T> predictions;
  predictions.outputs.resize(rows.count * spec.outputs());
  if (with_hidden) predictions.hidden.resize(spec.layers() - 1);
  for (std::size_t begin = 0; begin < rows.count; begin += evaluation_chunk_rows) {
    const std::size_t count = std::min(evaluation_chunk_rows, rows.count - begin);
    const MatrixView<T> logits =
        forward<T>(spec, layout, parameters, copy_chunk(rows, begin, count, x), workspace);
    apply_output<T>(spec.output_loss, logits);
    std::copy_n(logits.data, count * spec.outputs(), predictions.outputs.data() + begin * spec.outputs());
    for (std::size_t l = 0; l < predictions.hidden.size(); ++l) {
      const T* const outputs = workspace.factors.inputs[l + 1].data;
      predictions.hidden[l].insert(predictions.hidden[l].end(), outputs,
                                   outputs + count * spec.widths[l + 1]);
    }
  }
  return predictions;
}

template Evaluation evaluate<float>(const Communicator&, const ModelSpec&, const ParameterLayout&,
                                    std::span<const float>, const RowsView<float>&, std::size_t,
                                    ProgressBoard*);
template Evaluation evaluate<double>(const Communicator&, const ModelSpec&, const ParameterLayout&,
                                     std::span<const double>, const RowsView<double>&, std::size_t,
                                     ProgressBoard*);
template Predictions<float> predict<float>(const ModelSpec&, const ParameterLayout&, std::span<const float>,
                                           const RowsView<float>&, bool);
template Predictions<double> predict<double>(const ModelSpec&, const ParameterLayout&,
                                             std::span<const double>, const RowsView<double>&, bool);

}  // namespace lockstep
