#include "lockstep/nn/mlp.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "lockstep/core/checked_cast.hpp"
#include "lockstep/core/instruction_set.hpp"
#include "lockstep/core/random.hpp"
#include "lockstep/core/summation_tree.hpp"

namespace lockstep {
namespace {

/// Every matrix of factors starts at a multiple of 64 bytes.
template <class T>
std::size_t padded_size(std::size_t rows, std::size_t columns) {
  constexpr std::size_t line = 64 / sizeof(T);
  return (checked_product(rows, columns) + line - 1) / line * line;
}

template <class T>
MatrixView<T> view(AlignedVector<T>& buffer, std::size_t rows, std::size_t columns) {
  return {buffer.data(), rows, columns};
}

template <class T>
std::span<T> elements_of(const Tensor& tensor, std::span<T> flat) {
  return flat.subspan(tensor.offset, tensor.size());
}

/// sum_j += term_j.
template <class T>
void add_to(T* sum, const T* term, std::size_t length) {
  run_vectorized([=](auto) {
    for (std::size_t j = 0; j < length; ++j) sum[j] += term[j];
  });
}

/// z_ij += b_j.
template <class T>
void add_bias(MatrixView<T> z, const T* bias) {
  for (std::size_t i = 0; i < z.rows; ++i) add_to(z.row(i), bias, z.columns);
}

/// A vector over all micro-batches, from one over each, which one_sum(rows, sum) writes: the tree over them.
template <class T, class OneSum>
void sum_over_micro_batches(MicroBatches micro_batches, std::span<T> total, const OneSum& one_sum) {
  const std::size_t length = total.size();
  thread_local AlignedVector<T> waiting;  // levels 1, 2 … of the tree; level 0 is the total
  waiting.resize(tree_levels(micro_batches.size()) * length);
  std::fill(total.begin(), total.end(), T(0));
  const auto buffer = [&](std::size_t level) {
    return level == 0 ? total.data() : waiting.data() + (level - 1) * length;
  };
  sum_in_tree_order(micro_batches.size(), [&](std::size_t term, std::size_t level, std::size_t additions) {
    one_sum(micro_batches[term], std::span<T>(buffer(level), length));
    for (; additions > 0; --additions, --level) add_to(buffer(level - 1), buffer(level), length);
  });
}

/// a_ij *= scale_ij.
template <class T>
void multiply(MatrixView<T> a, MatrixView<const T> scale) {
  run_vectorized([=](auto) {
    for (std::size_t i = 0; i < a.rows; ++i) {
      for (std::size_t j = 0; j < a.columns; ++j) a(i, j) *= scale(i, j);
    }
  });
}

/// Deltas of rows that the model is sure of, or behind activations that saturate, fade towards the denormal
/// numbers, with which many processors compute a hundred times slower. Magnitudes below 2²⁶ times the least
/// normal number (float32: 2⁻¹⁰⁰, float64: 2⁻⁹⁹⁶) become +0: no step shows the difference.
template <class T>
void drop_negligible(MatrixView<T> delta) {
  constexpr T least = T(1 << 26) * std::numeric_limits<T>::min();
  run_vectorized([=](auto) {
    for (std::size_t i = 0; i < delta.rows; ++i) {
      T* const row = delta.row(i);
      for (std::size_t j = 0; j < delta.columns; ++j) row[j] = std::abs(row[j]) < least ? T(0) : row[j];
    }
  });
}

/// Inverted dropout (Srivastava et al. 2014): 0 with probability `rate`, else 1 / (1 − rate).
template <class T>
void draw_dropout_scale(const DropoutKey& key, std::size_t layer, double rate, MatrixView<T> scale) {
  const auto stream_high = static_cast<std::uint32_t>((layer << 16) | (key.step >> 32));
  const auto stream_low = static_cast<std::uint32_t>(key.step);
  const Philox random(key.seed, RandomPurpose::dropout, stream_high, stream_low);
  const T kept = static_cast<T>(1 / (1 - rate));
  for (std::size_t i = 0; i < scale.rows; ++i) {
    const std::size_t first_element = (key.first_row + i) * scale.columns;
    for (std::size_t j = 0; j < scale.columns; ++j) {
      scale(i, j) = random.uniform(first_element + j) < rate ? T(0) : kept;
    }
  }
}

bool has_dropout(const ModelSpec& spec, std::size_t layer) {
  return layer < spec.dropout.size() && spec.dropout[layer] > 0;
}

/// Forward; in training (`dropout` is given) with dropout and slopes. Returns the logits.
template <class T>
MatrixView<T> forward_pass(const ModelSpec& spec, const ParameterLayout& layout,
                           std::span<const T> parameters, const SparseRows<T>& x, MicroBatches micro_batches,
                           bool finite_kernels, const DropoutKey* dropout, Workspace<T>& workspace) {
  const std::size_t output_layer = spec.layers() - 1;
  const std::size_t rows = x.rows();
  SparseRows<T> input = x;  // of the layer at hand: (rows, in)
  for (std::size_t l = 0;; ++l) {
    const MatrixView<T> z = view(workspace.pre_activations[l], rows, spec.widths[l + 1]);
    forward_product(spec.arithmetic, input, tensor_view(layout.kernel(l), parameters.data()), micro_batches,
                    z, finite_kernels);
    add_bias(z, parameters.data() + layout.bias(l).offset);
    if (l == output_layer) return z;

    const MatrixView<T> a = workspace.factors.inputs[l + 1].rows_of({0, rows});
    const std::span<const T> trained = trained_activation(layout, l, parameters);
    if (dropout && spec.activations[l].keeps_slopes()) {
      const MatrixView<T> slopes = view(workspace.slopes[l], rows, z.columns);
      spec.activations[l].forward(MatrixView<const T>(z), a, slopes, trained);
    } else {
      spec.activations[l].forward(MatrixView<const T>(z), a, trained);
    }
    if (dropout && has_dropout(spec, l)) {
      const MatrixView<T> scale = view(workspace.dropout_scales[l], rows, z.columns);
      draw_dropout_scale(*dropout, l, spec.dropout[l], scale);
      multiply(a, MatrixView<const T>(scale));
    }
    input = a;
  }
}

/// From the delta of a hidden layer's outputs to that of its pre-activations, in place, by way of the
/// gradient of what the activation trains. delta: (rows, units)
template <class T>
void backward_activation(const ModelSpec& spec, const ParameterLayout& layout, std::span<const T> parameters,
                         std::size_t layer, MicroBatches micro_batches, Workspace<T>& workspace,
                         MatrixView<T> delta, std::span<T> gradient) {
  const Activation& activation = spec.activations[layer];
  const MatrixView<const T> z = view(workspace.pre_activations[layer], delta.rows, delta.columns);
  const std::span<const T> trained = trained_activation(layout, layer, parameters);
  if (!trained.empty()) {
    const std::span<T> total = elements_of(*layout.activation(layer), gradient);
    sum_over_micro_batches<T>(micro_batches, total, [&](Range rows, std::span<T> sum) {
      activation.parameter_gradient(z.rows_of(rows), MatrixView<const T>(delta).rows_of(rows), trained, sum);
    });
  }
  if (activation.keeps_slopes()) {
    multiply(delta, MatrixView<const T>(view(workspace.slopes[layer], delta.rows, delta.columns)));
  } else {
    activation.backward(z, delta, trained);
  }
  drop_negligible(delta);
}

/// From the delta of the output layer to those of all.
template <class T>
void backward_pass(const ModelSpec& spec, const ParameterLayout& layout, std::span<const T> parameters,
                   std::size_t rows, MicroBatches micro_batches, Workspace<T>& workspace,
                   std::span<T> gradient) {
  for (std::size_t l = spec.layers() - 1; l > 0; --l) {
    const MatrixView<const T> delta = workspace.factors.deltas[l].rows_of({0, rows});
    const MatrixView<T> input_delta = workspace.factors.deltas[l - 1].rows_of({0, rows});
    input_gradient_product(spec.arithmetic, delta, tensor_view(layout.kernel(l), parameters.data()),
                           micro_batches, input_delta);
    if (has_dropout(spec, l - 1)) {
      multiply(input_delta, MatrixView<const T>(view(workspace.dropout_scales[l - 1], rows, spec.widths[l])));
    }
    backward_activation(spec, layout, parameters, l - 1, micro_batches, workspace, input_delta, gradient);
  }
}

template <class T>
void zero_padding(const ParameterLayout& layout, std::span<T> flat) {
  const std::vector<Tensor>& tensors = layout.tensors();
  for (std::size_t t = 0; t < tensors.size(); ++t) {
    const std::size_t end = tensors[t].offset + tensors[t].size();
    const std::size_t next = t + 1 < tensors.size() ? tensors[t + 1].offset : layout.size();
    std::fill(flat.data() + end, flat.data() + next, T(0));
  }
}

}  // namespace

ParameterLayout make_layout(const ModelSpec& spec, std::size_t element_size) {
  std::vector<std::size_t> trained;
  for (std::size_t l = 0; l < spec.activations.size(); ++l) {
    trained.push_back(spec.activations[l].trained_parameters(spec.widths[l + 1]));
  }
  return {spec.widths, element_size, trained};
}

template <class T>
void initialize_activations(const ModelSpec& spec, const ParameterLayout& layout, std::span<T> parameters) {
  for (std::size_t l = 0; l < spec.activations.size(); ++l) {
    if (layout.activation(l) == nullptr) continue;
    const std::span<T> trained = elements_of(*layout.activation(l), parameters);
    std::fill(trained.begin(), trained.end(), static_cast<T>(spec.activations[l].parameter()));
  }
}

template <class T>
GradientFactors<T>::GradientFactors(const ModelSpec& spec, std::size_t rows, bool leave_out_zeros, T* memory)
    : x(rows, spec.inputs(), leave_out_zeros, memory) {
  memory += RowMemory<T>::size(rows, spec.inputs(), leave_out_zeros);
  const auto place = [&](std::size_t columns) {
    T* const begin = memory;
    memory += padded_size<T>(rows, columns);
    return MatrixView<T>(begin, rows, columns);
  };
  for (std::size_t l = 0; l < spec.layers(); ++l) {
    inputs.push_back(l == 0 ? MatrixView<T>() : place(spec.widths[l]));
    deltas.push_back(place(spec.widths[l + 1]));
  }
}

template <class T>
std::size_t GradientFactors<T>::size(const ModelSpec& spec, std::size_t rows, bool leave_out_zeros) {
  std::size_t size = RowMemory<T>::size(rows, spec.inputs(), leave_out_zeros);
  for (std::size_t l = 0; l < spec.layers(); ++l) {
    size += (l == 0 ? 0 : padded_size<T>(rows, spec.widths[l])) + padded_size<T>(rows, spec.widths[l + 1]);
  }
  return size;
}

template <class T>
GradientFactors<T> GradientFactors<T>::rows_of(Range some) const {
  GradientFactors part;
  part.x = x.rows_of(some);
  for (const MatrixView<T>& matrix : inputs) part.inputs.push_back(matrix.rows_of(some));
  for (const MatrixView<T>& matrix : deltas) part.deltas.push_back(matrix.rows_of(some));
  return part;
}

template <class T>
SparseRows<T> GradientFactors<T>::inputs_of(std::size_t layer) const {
  return layer == 0 ? x.rows() : SparseRows<T>(inputs[layer]);
}

template <class T>
Workspace<T>::Workspace(const ModelSpec& spec, std::size_t max_rows_)
    : Workspace(spec, max_rows_, GradientFactors<T>()) {
  factor_memory.resize(GradientFactors<T>::size(spec, max_rows, /*leave_out_zeros=*/false));
  factors = GradientFactors<T>(spec, max_rows, /*leave_out_zeros=*/false, factor_memory.data());
}

template <class T>
Workspace<T>::Workspace(const ModelSpec& spec, std::size_t max_rows_, GradientFactors<T> factors_)
    : max_rows(max_rows_), factors(std::move(factors_)) {
  for (std::size_t l = 0; l < spec.layers(); ++l) {
    const std::size_t size = max_rows * spec.widths[l + 1];
    pre_activations.emplace_back(size);
    if (l + 1 == spec.layers()) break;
    slopes.emplace_back(spec.activations[l].keeps_slopes() ? size : 0);
    dropout_scales.emplace_back(has_dropout(spec, l) ? size : 0);
  }
}

template <class T>
void forward_deltas(const ModelSpec& spec, const ParameterLayout& layout, std::span<const T> parameters,
                    const LocalBatch<T>& batch, Workspace<T>& workspace, std::span<T> gradient,
                    std::span<LossSums> sums) {
  const std::size_t all_rows = batch.x.rows();
  const MatrixView<const T> logits = forward_pass(spec, layout, parameters, batch.x, batch.micro_batches,
                                                  batch.finite_kernels, &batch.dropout, workspace);
  const MatrixView<T> delta = workspace.factors.deltas.back().rows_of({0, all_rows});
  for (std::size_t i = 0; i < sums.size(); ++i) {
    const Range rows = batch.micro_batches[i];
    sums[i] = loss_and_delta(spec.output_loss, logits.rows_of(rows), batch.targets.rows_of(rows),
                             spec.label_smoothing, delta.rows_of(rows));
  }
  drop_negligible(delta);
  backward_pass(spec, layout, parameters, all_rows, batch.micro_batches, workspace, gradient);
}

template <class T>
void sum_rows(MatrixView<const T> delta, MicroBatches micro_batches, std::span<T> bias_gradient) {
  sum_over_micro_batches<T>(micro_batches, bias_gradient, [&](Range rows, std::span<T> sum) {
    std::fill(sum.begin(), sum.end(), T(0));
    for (std::size_t i = rows.begin; i < rows.end; ++i) add_to(sum.data(), delta.row(i), sum.size());
  });
}

template <class T>
void forward_backward(const ModelSpec& spec, const ParameterLayout& layout, std::span<const T> parameters,
                      const LocalBatch<T>& batch, Workspace<T>& workspace, std::span<T> gradient,
                      std::span<LossSums> sums) {
  forward_deltas(spec, layout, parameters, batch, workspace, gradient, sums);
  const Range rows{0, batch.x.rows()};
  for (std::size_t l = spec.layers(); l-- > 0;) {
    const SparseRows<T> input = l == 0 ? batch.x : SparseRows<T>(workspace.factors.inputs[l].rows_of(rows));
    const MatrixView<const T> delta = workspace.factors.deltas[l].rows_of(rows);
    weight_gradient_product(spec.arithmetic, input, delta, batch.micro_batches,
                            tensor_view(layout.kernel(l), gradient.data()));
    sum_rows(delta, batch.micro_batches, elements_of(layout.bias(l), gradient));
  }
  zero_padding(layout, gradient);
}

template <class T>
MatrixView<T> forward(const ModelSpec& spec, const ParameterLayout& layout, std::span<const T> parameters,
                      MatrixView<const T> x, Workspace<T>& workspace) {
  const Range all_rows{0, x.rows};
  return forward_pass<T>(spec, layout, parameters, x, {&all_rows, 1}, /*finite_kernels=*/false, nullptr,
                         workspace);
}

template <class T>
std::size_t first_nonfinite_layer(const ModelSpec& spec, const Workspace<T>& workspace, std::size_t rows) {
  const auto all_finite = [&](const T* values, std::size_t layer) {
    const std::span<const T> used(values, rows * spec.widths[layer + 1]);
    return std::all_of(used.begin(), used.end(), [](T value) { return std::isfinite(value); });
  };
  for (std::size_t l = 0; l < spec.layers(); ++l) {
    if (!all_finite(workspace.pre_activations[l].data(), l)) return l;
    if (l + 1 < spec.layers() && !all_finite(workspace.factors.inputs[l + 1].data, l)) return l;
  }
  return spec.layers();
}

template struct GradientFactors<float>;
template struct Workspace<float>;
template struct GradientFactors<double>;
template struct Workspace<double>;

template void initialize_activations(const ModelSpec&, const ParameterLayout&, std::span<float>);
template void initialize_activations(const ModelSpec&, const ParameterLayout&, std::span<double>);

template void sum_rows(MatrixView<const float>, MicroBatches, std::span<float>);
template void forward_deltas(const ModelSpec&, const ParameterLayout&, std::span<const float>,
                             const LocalBatch<float>&, Workspace<float>&, std::span<float>,
                             std::span<LossSums>);
template void forward_backward(const ModelSpec&, const ParameterLayout&, std::span<const float>,
                               const LocalBatch<float>&, Workspace<float>&, std::span<float>,
                               std::span<LossSums>);
template void sum_rows(MatrixView<const double>, MicroBatches, std::span<double>);
template void forward_deltas(const ModelSpec&, const ParameterLayout&, std::span<const double>,
                             const LocalBatch<double>&, Workspace<double>&, std::span<double>,
                             std::span<LossSums>);
template void forward_backward(const ModelSpec&, const ParameterLayout&, std::span<const double>,
                               const LocalBatch<double>&, Workspace<double>&, std::span<double>,
                               std::span<LossSums>);
template MatrixView<float> forward(const ModelSpec&, const ParameterLayout&, std::span<const float>,
                                   MatrixView<const float>, Workspace<float>&);
template MatrixView<double> forward(const ModelSpec&, const ParameterLayout&, std::span<const double>,
                                    MatrixView<const double>, Workspace<double>&);
template std::size_t first_nonfinite_layer(const ModelSpec&, const Workspace<float>&, std::size_t);
template std::size_t first_nonfinite_layer(const ModelSpec&, const Workspace<double>&, std::size_t);

}  // namespace lockstep
