#include "lockstep/nn/loss.hpp"

#include <array>
#include <cmath>
#include <optional>
#include <vector>

#include "activation_functions.hpp"
#include "lockstep/core/error.hpp"
#include "lockstep/core/instruction_set.hpp"
#include "lockstep/core/text.hpp"
#include "lockstep/nn/metrics.hpp"

namespace lockstep {
namespace {

struct TaskName {
  Task task;
  std::string name;
};
const std::array<TaskName, 3> task_names = {{
    {Task::classification, "classification"},
    {Task::binary, "binary"},
    {Task::regression, "regression"},
}};

// The first one of a task is its default.
const std::array<OutputLossInfo, 5> pairings = {{
    {OutputLoss::softmax_cross_entropy, Task::classification, "softmax", "cross_entropy",
     "−log p of the true class"},
    {OutputLoss::sigmoid_binary_cross_entropy, Task::binary, "sigmoid", "binary_cross_entropy",
     "Σ −t log p − (1 − t) log(1 − p)"},
    {OutputLoss::identity_mse, Task::regression, "identity", "mse", "½ Σ (y − ŷ)²"},
    {OutputLoss::identity_mae, Task::regression, "identity", "mae", "Σ |y − ŷ|"},
    {OutputLoss::identity_huber, Task::regression, "identity", "huber",
     "Σ ½ d² where |d| ≤ 1, else |d| − ½; d = y − ŷ"},
}};

/// A name with other spellings of it: Keras's, PyTorch's.
struct Spellings {
  std::string name;
  std::vector<std::string> aliases;
};
const std::vector<Spellings> output_spellings = {
    {"softmax", {}},
    {"sigmoid", {"logistic"}},
    {"identity", {"linear", "none"}},
};
const std::vector<Spellings> loss_spellings = {
    {"cross_entropy",
     {"categorical_crossentropy", "sparse_categorical_crossentropy", "CrossEntropyLoss",
      "softmax_cross_entropy"}},
    {"binary_cross_entropy", {"binary_crossentropy", "bce", "BCELoss", "BCEWithLogitsLoss"}},
    {"mse", {"mean_squared_error", "MSELoss"}},
    {"mae", {"mean_absolute_error", "L1Loss"}},
    {"huber", {"HuberLoss"}},
};

/// The name that `text` spells. `what` is "output" or "loss".
std::string resolve_spelling(std::string_view text, const std::vector<Spellings>& known,
                             const std::string& what) {
  const std::string wanted = canonical_name(text);
  std::vector<std::string> names, all;
  for (const Spellings& spellings : known) {
    if (canonical_name(spellings.name) == wanted) return spellings.name;
    for (const std::string& alias : spellings.aliases) {
      if (canonical_name(alias) == wanted) return spellings.name;
    }
    names.push_back(spellings.name);
    all.push_back(spellings.name);
    all.insert(all.end(), spellings.aliases.begin(), spellings.aliases.end());
  }
  throw UserError("unknown " + what + " " + in_quotes(text) + suggestion(text, all) + "; expected " +
                  join(names));
}

/// "softmax + cross_entropy (classification), …".
std::string sensible_pairings() {
  std::vector<std::string> texts;
  for (const OutputLossInfo& p : pairings)
    texts.push_back(p.output + " + " + p.loss + " (" + task_name(p.task) + ")");
  return join(texts);
}

const OutputLossInfo& pairing_of(OutputLoss output_loss) {
  for (const OutputLossInfo& p : pairings) {
    if (p.output_loss == output_loss) return p;
  }
  throw std::logic_error("an OutputLoss that the table of pairings lacks");
}

/// What one row adds to LossSums.
template <class T>
struct RowResult {
  T loss = 0;
  bool correct = false;
};

/// The softmax of rows in parts: softmax_ik = exponentials_ik / sums_i.
template <class T>
struct SoftmaxParts {
  std::vector<std::size_t> largest;  // index of max_i, the largest logit of row i
  std::vector<T> exponentials;       // exp(z_ik − max_i): (rows, K)
  std::vector<T> sums;               // of a row's exponentials: the chain over ascending k
};

template <class T>
SoftmaxParts<T> softmax_parts(MatrixView<const T> logits) {
  const std::size_t classes = logits.columns;
  SoftmaxParts<T> parts{std::vector<std::size_t>(logits.rows), std::vector<T>(logits.rows * classes),
                        std::vector<T>(logits.rows)};
  for (std::size_t i = 0; i < logits.rows; ++i) {
    const T* const row = logits.row(i);
    parts.largest[i] = argmax(std::span<const T>(row, classes));
    const T max = row[parts.largest[i]];
    for (std::size_t k = 0; k < classes; ++k) parts.exponentials[i * classes + k] = row[k] - max;
  }
  // All rows at once: one of them is often shorter than a vector.
  run_vectorized([values = parts.exponentials.data(), size = parts.exponentials.size()](auto) {
#pragma omp simd
    for (std::size_t n = 0; n < size; ++n) values[n] = elementary::exp(values[n]);
  });
  for (std::size_t i = 0; i < logits.rows; ++i) {
    for (std::size_t k = 0; k < classes; ++k) parts.sums[i] += parts.exponentials[i * classes + k];
  }
  return parts;
}

// loss = Σ_k t_k (log Σ exp(z − max) + max − z_k);  delta_k = softmax_k − t_k.
template <class T>
LossSums softmax_cross_entropy(MatrixView<const T> logits, std::span<const std::int32_t> true_classes,
                               T smoothing, MatrixView<T> delta) {
  const SoftmaxParts<T> parts = softmax_parts(logits);
  const T classes = static_cast<T>(logits.columns);
  std::vector<T> log_sums = parts.sums;
  run_vectorized([values = log_sums.data(), size = log_sums.size()](auto) {
#pragma omp simd
    for (std::size_t i = 0; i < size; ++i) values[i] = elementary::log(values[i]);
  });

  LossSums sums;
  const T off_target = smoothing / classes;
  const T on_target = (T(1) - smoothing) + off_target;
  for (std::size_t i = 0; i < logits.rows; ++i) {
    const T* const row = logits.row(i);
    const auto true_class = static_cast<std::size_t>(true_classes[i]);
    const T max = row[parts.largest[i]];
    T loss = log_sums[i] + (max - row[true_class]);
    if (smoothing > T(0)) {
      T logit_sum_below_max = 0;  // Σ_k (max − z_k)
      for (std::size_t k = 0; k < logits.columns; ++k) logit_sum_below_max += max - row[k];
      loss = (T(1) - smoothing) * loss + smoothing * (log_sums[i] + logit_sum_below_max / classes);
    }
    sums.loss_sum += static_cast<double>(loss);
    sums.correct_count += parts.largest[i] == true_class ? 1 : 0;
    if (!delta.data) continue;
    // The last use of the row's logits, whose memory delta may be.
    const T* const exponentials = parts.exponentials.data() + i * logits.columns;
    T* const row_delta = delta.row(i);
    const T sum = parts.sums[i];
    for (std::size_t k = 0; k < logits.columns; ++k) {
      row_delta[k] = exponentials[k] / sum - (k == true_class ? on_target : off_target);
    }
  }
  return sums;
}

/// Loss and slope of one output element.
template <class T>
struct ElementResult {
  T loss;
  T delta;
};

// loss = −t log σ(z) − (1 − t) log(1 − σ(z)) = softplus(z) − t z, written so that large |z| cancel exactly.
template <class T>
ElementResult<T> binary_cross_entropy(T logit, T target) {
  const T positive_part = logit < T(0) ? T(0) : logit;
  const T loss = (positive_part - target * logit) + elementary::log1p(elementary::exp(-std::abs(logit)));
  return {loss, elementary::logistic(logit).value - target};
}

template <class T>
ElementResult<T> squared_error(T value, T target) {
  const T error = value - target;
  return {error * error / T(2), error};
}

// The derivative at an exact hit is 0, the middle of its two sides, as in Keras and PyTorch.
template <class T>
ElementResult<T> absolute_error(T value, T target) {
  const T error = value - target;
  return {std::abs(error), error > T(0) ? T(1) : (error < T(0) ? T(-1) : error)};
}

// Huber, 1964, with δ = 1.
template <class T>
ElementResult<T> huber_error(T value, T target) {
  const T error = value - target;
  const T size = std::abs(error);
  return {size <= T(1) ? error * error / T(2) : size - T(0.5),
          activation_functions::bounded(error, T(-1), T(1))};
}

/// A row whose loss is the sum over its output elements.
template <class T, class ElementLoss>
T row_loss(std::span<const T> logits, const T* targets, T* delta, ElementLoss&& element_loss) {
  T loss = 0;
  for (std::size_t k = 0; k < logits.size(); ++k) {
    const ElementResult<T> element = element_loss(logits[k], targets[k]);
    loss += element.loss;
    if (delta) delta[k] = element.delta;
  }
  return loss;
}

template <class T>
RowResult<T> sigmoid_binary_cross_entropy(std::span<const T> logits, const T* targets, T smoothing,
                                          T* delta) {
  bool correct = true;  // of a row: every element is
  for (std::size_t k = 0; k < logits.size(); ++k) correct &= (logits[k] > T(0)) == (targets[k] > T(0.5));
  const T loss = row_loss(logits, targets, delta, [smoothing](T z, T t) {
    return binary_cross_entropy(z, (T(1) - smoothing) * t + smoothing / T(2));
  });
  return {loss, correct};
}

}  // namespace

Task parse_task(std::string_view text) {
  std::vector<std::string> names;
  for (const TaskName& t : task_names) {
    if (canonical_name(t.name) == canonical_name(text)) return t.task;
    names.push_back(t.name);
  }
  throw UserError("unknown task " + in_quotes(text) + suggestion(text, names) + "; expected " + join(names));
}

std::string task_name(Task task) {
  for (const TaskName& t : task_names) {
    if (t.task == task) return t.name;
  }
  throw std::logic_error("a Task that the table of names lacks");
}

std::span<const OutputLossInfo> output_loss_table() {
  return pairings;
}

OutputLoss resolve_output_loss(std::string_view output, std::string_view loss, Task task) {
  const std::string output_wanted =
      output.empty() ? "" : resolve_spelling(output, output_spellings, "output");
  const std::string loss_wanted = loss.empty() ? "" : resolve_spelling(loss, loss_spellings, "loss");
  for (const OutputLossInfo& p : pairings) {
    if (p.task == task && (output.empty() || p.output == output_wanted) &&
        (loss.empty() || p.loss == loss_wanted)) {
      return p.output_loss;
    }
  }
  const std::string found = (output.empty() ? "" : "output '" + output_wanted + "'") +
                            (output.empty() || loss.empty() ? "" : " with ") +
                            (loss.empty() ? "" : "loss '" + loss_wanted + "'");
  throw UserError(found + " does not fit the task " + task_name(task) + "; sensible are " +
                  sensible_pairings());
}

std::string output_name(OutputLoss output_loss) {
  return pairing_of(output_loss).output;
}

std::string loss_name(OutputLoss output_loss) {
  return pairing_of(output_loss).loss;
}

template <class T>
LossSums loss_and_delta(OutputLoss output_loss, MatrixView<const T> logits, const Targets<T>& targets,
                        double label_smoothing, MatrixView<T> delta) {
  const T smoothing = static_cast<T>(label_smoothing);
  if (output_loss == OutputLoss::softmax_cross_entropy) {
    return softmax_cross_entropy(logits, targets.classes, smoothing, delta);
  }
  const auto row_result = [&](std::size_t i) -> RowResult<T> {
    const std::span<const T> row(logits.row(i), logits.columns);
    T* const row_delta = delta.data ? delta.row(i) : nullptr;
    switch (output_loss) {
      case OutputLoss::softmax_cross_entropy:
        break;
      case OutputLoss::sigmoid_binary_cross_entropy:
        return sigmoid_binary_cross_entropy(row, targets.values.row(i), smoothing, row_delta);
      case OutputLoss::identity_mse:
        return {row_loss(row, targets.values.row(i), row_delta, squared_error<T>)};
      case OutputLoss::identity_mae:
        return {row_loss(row, targets.values.row(i), row_delta, absolute_error<T>)};
      case OutputLoss::identity_huber:
        return {row_loss(row, targets.values.row(i), row_delta, huber_error<T>)};
    }
    return {};
  };

  LossSums sums;
  for (std::size_t i = 0; i < logits.rows; ++i) {
    const RowResult<T> row = row_result(i);
    sums.loss_sum += static_cast<double>(row.loss);
    sums.correct_count += row.correct ? 1 : 0;
  }
  return sums;
}

template <class T>
void apply_output(OutputLoss output_loss, MatrixView<T> logits) {
  if (output_loss == OutputLoss::softmax_cross_entropy) {
    const SoftmaxParts<T> parts = softmax_parts(MatrixView<const T>(logits));
    for (std::size_t i = 0; i < logits.rows; ++i) {
      const T* const exponentials = parts.exponentials.data() + i * logits.columns;
      for (std::size_t k = 0; k < logits.columns; ++k) logits(i, k) = exponentials[k] / parts.sums[i];
    }
  } else if (output_loss == OutputLoss::sigmoid_binary_cross_entropy) {
    for (std::size_t i = 0; i < logits.rows; ++i) {
      for (std::size_t k = 0; k < logits.columns; ++k) {
        logits(i, k) = elementary::logistic(logits(i, k)).value;
      }
    }
  }
}

template LossSums loss_and_delta(OutputLoss, MatrixView<const float>, const Targets<float>&, double,
                                 MatrixView<float>);
template LossSums loss_and_delta(OutputLoss, MatrixView<const double>, const Targets<double>&, double,
                                 MatrixView<double>);
template void apply_output(OutputLoss, MatrixView<float>);
template void apply_output(OutputLoss, MatrixView<double>);

}  // namespace lockstep
