#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "lockstep/dist/communicator.hpp"
#include "lockstep/dist/progress_board.hpp"
#include "lockstep/io/dataset.hpp"
#include "lockstep/nn/metrics.hpp"
#include "lockstep/nn/mlp.hpp"

namespace lockstep {

/// Rows are evaluated in fixed chunks, whose sums are added by the summation tree: the bits depend neither on
/// who evaluates which chunk nor on how many ranks do.
inline constexpr std::size_t evaluation_chunk_rows = 256;

/// The targets of `count` rows from `begin`, of rows that stand in order.
template <class T>
Targets<T> targets_of(const RowsView<T>& rows, std::size_t begin, std::size_t count) {
  if (!rows.classes.empty()) return {rows.classes.subspan(begin, count), {}};
  return {{}, {rows.values.data() + begin * rows.value_columns, count, rows.value_columns}};
}

/// The rows [begin, end) of the split that this rank holds for evaluation: whole chunks of block_partition
/// over ranks, or, with rank 0 as the only evaluator, everything on rank 0 and nothing elsewhere.
Range evaluation_rows(std::size_t rows, const Communicator& world, bool all_ranks);

/// Whether accuracy has a meaning: not for regression.
bool has_accuracy(OutputLoss output_loss);

/// Mean loss and accuracy over a split. NaN accuracy for regression.
struct Evaluation {
  double loss = 0;
  double accuracy = 0;
};

/// Collective. `own` holds this rank's evaluation_rows of `rows`. All ranks get the result. `board`, if any,
/// is told that the evaluation goes on.
template <class T>
Evaluation evaluate(const Communicator& world, const ModelSpec& spec, const ParameterLayout& layout,
                    std::span<const T> parameters, const RowsView<T>& own, std::size_t rows,
                    ProgressBoard* board = nullptr);

template <class T>
struct Predictions {
  std::vector<T> outputs;              // (rows, K): softmax probabilities, sigmoid probability, or values
  std::vector<std::vector<T>> hidden;  // of each hidden layer (rows, width), where they are wanted
};

/// Predictions of some rows, one process.
template <class T>
Predictions<T> predict(const ModelSpec& spec, const ParameterLayout& layout, std::span<const T> parameters,
                       const RowsView<T>& rows, bool with_hidden = false);

}  // namespace lockstep
