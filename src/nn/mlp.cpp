#include "lockstep/nn/mlp.hpp"

#include <algorithm>
#include <cmath>

#include "lockstep/core/random.hpp"

namespace lockstep {
namespace {

template <class T>
MatrixView<T> view(std::vector<T>& buffer, std::size_t rows, std::size_t columns) {
  return {buffer.data(), rows, columns};
}

/// z_ij += b_j.
template <class T>
void add_bias(MatrixView<T> z, const T* bias) {
  for (std::size_t i = 0; i < z.rows; ++i) {
    for (std::size_t j = 0; j < z.columns; ++j) z(i, j) += bias[j];
  }
}

/// db_j = Σ_i delta_ij, a chain over ascending rows that starts from +0.
template <class T>
void sum_rows(MatrixView<const T> delta, T* bias_gradient) {
  std::fill_n(bias_gradient, delta.columns, T(0));
  for (std::size_t i = 0; i < delta.rows; ++i) {
    for (std::size_t j = 0; j < delta.columns; ++j) bias_gradient[j] += delta(i, j);
  }
}

/// a_ij *= scale_ij.
template <class T>
void multiply(MatrixView<T> a, MatrixView<const T> scale) {
  for (std::size_t i = 0; i < a.rows; ++i) {
    for (std::size_t j = 0; j < a.columns; ++j) a(i, j) *= scale(i, j);
  }
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

/// Forward; dropout where `dropout` is given. Returns the logits.
template <class T>
MatrixView<T> forward_pass(const ModelSpec& spec, const ParameterLayout& layout,
                           std::span<const T> parameters, MatrixView<const T> x, const DropoutKey* dropout,
                           Workspace<T>& workspace) {
  const std::size_t output_layer = spec.layers() - 1;
  MatrixView<const T> input = x;  // of the layer at hand: (rows, in)
  for (std::size_t l = 0;; ++l) {
    const MatrixView<T> z = view(workspace.pre_activations[l], x.rows, spec.widths[l + 1]);
    forward_product(spec.arithmetic, input, tensor_view(layout.kernel(l), parameters.data()), z);
    add_bias(z, parameters.data() + layout.bias(l).offset);
    if (l == output_layer) return z;

    const MatrixView<T> a = view(workspace.outputs[l], x.rows, z.columns);
    spec.activations[l].forward(MatrixView<const T>(z), a);
    if (dropout && has_dropout(spec, l)) {
      const MatrixView<T> scale = view(workspace.dropout_scales[l], x.rows, z.columns);
      draw_dropout_scale(*dropout, l, spec.dropout[l], scale);
      multiply(a, MatrixView<const T>(scale));
    }
    input = a;
  }
}

/// From delta of the output layer, in workspace.delta, to the gradient of every kernel and bias.
template <class T>
void backward_pass(const ModelSpec& spec, const ParameterLayout& layout, std::span<const T> parameters,
                   MatrixView<const T> x, Workspace<T>& workspace, std::span<T> gradient) {
  for (std::size_t l = spec.layers(); l-- > 0;) {
    const MatrixView<const T> delta = view(workspace.delta, x.rows, spec.widths[l + 1]);
    const MatrixView<const T> input = l == 0 ? x : view(workspace.outputs[l - 1], x.rows, spec.widths[l]);
    weight_gradient_product(spec.arithmetic, input, delta, tensor_view(layout.kernel(l), gradient.data()));
    sum_rows(delta, gradient.data() + layout.bias(l).offset);
    if (l == 0) return;

    const MatrixView<T> input_delta = view(workspace.next_delta, x.rows, spec.widths[l]);
    input_gradient_product(spec.arithmetic, delta, tensor_view(layout.kernel(l), parameters.data()),
                           input_delta);
    if (has_dropout(spec, l - 1)) {
      multiply(input_delta,
               MatrixView<const T>(view(workspace.dropout_scales[l - 1], x.rows, spec.widths[l])));
    }
    const MatrixView<const T> z = view(workspace.pre_activations[l - 1], x.rows, spec.widths[l]);
    spec.activations[l - 1].backward(z, input_delta);
    std::swap(workspace.delta, workspace.next_delta);
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

template <class T>
Workspace<T>::Workspace(const ModelSpec& spec, std::size_t max_rows_) : max_rows(max_rows_) {
  const std::size_t widest = *std::max_element(spec.widths.begin() + 1, spec.widths.end());
  for (std::size_t l = 0; l < spec.layers(); ++l) {
    const std::size_t size = max_rows * spec.widths[l + 1];
    pre_activations.emplace_back(size);
    if (l + 1 == spec.layers()) break;
    outputs.emplace_back(size);
    dropout_scales.emplace_back(has_dropout(spec, l) ? size : 0);
  }
  delta.resize(max_rows * widest);
  next_delta.resize(max_rows * widest);
}

template <class T>
LossSums forward_backward(const ModelSpec& spec, const ParameterLayout& layout, std::span<const T> parameters,
                          MatrixView<const T> x, const Targets<T>& targets, const DropoutKey& dropout,
                          Workspace<T>& workspace, std::span<T> gradient) {
  if (x.rows == 0) {
    std::fill(gradient.begin(), gradient.end(), T(0));
    return {};
  }
  const MatrixView<const T> logits = forward_pass(spec, layout, parameters, x, &dropout, workspace);
  const LossSums sums = loss_and_delta(spec.output_loss, logits, targets, spec.label_smoothing,
                                       view(workspace.delta, x.rows, spec.outputs()));
  backward_pass(spec, layout, parameters, x, workspace, gradient);
  zero_padding(layout, gradient);
  return sums;
}

template <class T>
MatrixView<T> forward(const ModelSpec& spec, const ParameterLayout& layout, std::span<const T> parameters,
                      MatrixView<const T> x, Workspace<T>& workspace) {
  return forward_pass(spec, layout, parameters, x, static_cast<const DropoutKey*>(nullptr), workspace);
}

template <class T>
std::size_t first_nonfinite_layer(const ModelSpec& spec, const Workspace<T>& workspace, std::size_t rows) {
  for (std::size_t l = 0; l < spec.layers(); ++l) {
    const std::span<const T> z(workspace.pre_activations[l].data(), rows * spec.widths[l + 1]);
    if (!std::all_of(z.begin(), z.end(), [](T value) { return std::isfinite(value); })) return l;
  }
  return spec.layers();
}

template struct Workspace<float>;
template struct Workspace<double>;

template LossSums forward_backward(const ModelSpec&, const ParameterLayout&, std::span<const float>,
                                   MatrixView<const float>, const Targets<float>&, const DropoutKey&,
                                   Workspace<float>&, std::span<float>);
template LossSums forward_backward(const ModelSpec&, const ParameterLayout&, std::span<const double>,
                                   MatrixView<const double>, const Targets<double>&, const DropoutKey&,
                                   Workspace<double>&, std::span<double>);
template MatrixView<float> forward(const ModelSpec&, const ParameterLayout&, std::span<const float>,
                                   MatrixView<const float>, Workspace<float>&);
template MatrixView<double> forward(const ModelSpec&, const ParameterLayout&, std::span<const double>,
                                    MatrixView<const double>, Workspace<double>&);
template std::size_t first_nonfinite_layer(const ModelSpec&, const Workspace<float>&, std::size_t);
template std::size_t first_nonfinite_layer(const ModelSpec&, const Workspace<double>&, std::size_t);

}  // namespace lockstep
