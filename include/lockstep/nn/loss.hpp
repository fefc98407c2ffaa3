#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "lockstep/core/matrix.hpp"

namespace lockstep {

/// What a dataset asks for.
enum class Task { classification, binary, regression };
Task parse_task(std::string_view text);
std::string task_name(Task task);

/// The output function together with its loss. Only sensible pairs exist:
///   softmax + cross_entropy (classification), sigmoid + binary_cross_entropy (binary),
///   identity + mse | mae | huber (regression).
enum class OutputLoss {
  softmax_cross_entropy,
  sigmoid_binary_cross_entropy,
  identity_mse,
  identity_mae,
  identity_huber,
};

/// One row of the table of sensible pairs.
struct OutputLossInfo {
  OutputLoss output_loss;
  Task task;
  std::string output;   // "softmax"
  std::string loss;     // "cross_entropy"
  std::string formula;  // loss of a row, as the documentation prints it
};
std::span<const OutputLossInfo> output_loss_table();

/// Resolves the texts of --output and --loss for a task; either may be empty (the default of the task:
/// softmax + cross_entropy, sigmoid + binary_cross_entropy, identity + mse). Keras's and PyTorch's names are
/// accepted. Throws UserError for unknown names and for a pairing that makes no sense, naming the sensible
/// ones.
OutputLoss resolve_output_loss(std::string_view output, std::string_view loss, Task task);
std::string output_name(OutputLoss output_loss);  // "softmax"
std::string loss_name(OutputLoss output_loss);    // "cross_entropy"

/// The targets of some rows: `classes` (rows) for classification, else `values` (rows, K).
template <class T>
struct Targets {
  std::span<const std::int32_t> classes;
  MatrixView<const T> values;

  /// Those of some of the rows.
  Targets rows_of(Range some) const {
    if (values.data != nullptr) return {{}, values.rows_of(some)};
    return {classes.subspan(some.begin, some.size()), {}};
  }
};

/// Sums over rows. A row counts as correct if the argmax (first of equals) is its class (classification), if
/// logit > 0 where and only where the target is above ½ (binary: all K elements), and never for regression.
struct LossSums {
  double loss_sum = 0;
  std::int64_t correct_count = 0;
};

/// Loss and, where `delta` has data, its gradient with respect to the logits of each row (not divided by
/// rows): delta = prediction − target for the first three of OutputLoss (mse is ½ Σ_k (y − ŷ)² a row).
/// logits: (rows, K); delta: (rows, K) or empty, may be the logits' memory; classes must lie in [0, K). A
/// row's loss is computed stably in log space, in T (over several outputs: their sum); the sum over rows is
/// the chain over ascending rows in double. `label_smoothing` e: targets (1 − e)·t + e/K (binary: (1 − e)·t +
/// e/2; ignored for regression). Huber's δ is 1.
template <class T>
LossSums loss_and_delta(OutputLoss output_loss, MatrixView<const T> logits, const Targets<T>& targets,
                        double label_smoothing, MatrixView<T> delta);

/// Predictions from logits, in place: softmax probabilities, sigmoid probability, or the values as they are.
template <class T>
void apply_output(OutputLoss output_loss, MatrixView<T> logits);

}  // namespace lockstep
