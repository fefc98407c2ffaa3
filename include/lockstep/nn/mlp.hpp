#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "lockstep/core/aligned_vector.hpp"
#include "lockstep/core/matrix.hpp"
#include "lockstep/core/products.hpp"
#include "lockstep/nn/activation.hpp"
#include "lockstep/nn/loss.hpp"
#include "lockstep/nn/parameters.hpp"

namespace lockstep {

/// A multilayer perceptron: dense layers with an activation each, the last one with output and loss.
struct ModelSpec {
  std::vector<std::size_t> widths;      // input width, hidden widths …, output width K
  std::vector<Activation> activations;  // one per hidden layer
  std::vector<double> dropout;          // one rate per hidden layer, 0: none
  OutputLoss output_loss = OutputLoss::softmax_cross_entropy;
  double label_smoothing = 0;
  Arithmetic arithmetic = Arithmetic::openblas;

  std::size_t layers() const { return widths.size() - 1; }
  std::size_t inputs() const { return widths.front(); }
  std::size_t outputs() const { return widths.back(); }
};

/// Where the network's parameters stand, those of trained activations included. `element_size` in bytes.
ParameterLayout make_layout(const ModelSpec& spec, std::size_t element_size);

/// Sets what activations train to where it starts. `parameters`: (layout.size()).
template <class T>
void initialize_activations(const ModelSpec& spec, const ParameterLayout& layout, std::span<T> parameters);

/// The values of what a layer's activation trains; nothing if it trains none.
template <class T>
std::span<const T> trained_activation(const ParameterLayout& layout, std::size_t layer,
                                      std::span<const T> parameters) {
  const Tensor* const tensor = layout.activation(layer);
  return tensor == nullptr ? std::span<const T>{} : parameters.subspan(tensor->offset, tensor->size());
}

/// Which dropout masks a micro-batch uses: unit (row, unit) of hidden layer l, `row` being the position in
/// the global batch, is element row · width + unit of a Philox stream named by step and layer (high word: l ·
/// 2¹⁶ + ⌊step / 2³²⌋, low word: step mod 2³²; so up to 2¹⁶ layers and 2⁴⁸ steps). Masks do not depend on who
/// computes the row.
struct DropoutKey {
  std::uint64_t seed = 0;
  std::uint64_t step = 0;
  std::size_t first_row = 0;  // position of the micro-batch's first row in its global batch
};

/// The rows that one process works on at a time: those of one or more micro-batches, one after the other.
template <class T>
struct LocalBatch {
  SparseRows<T> x;     // (rows, in)
  Targets<T> targets;  // (rows)
  MicroBatches micro_batches;
  DropoutKey dropout;
  bool finite_kernels = false;  // that all weights are finite is known: nobody has to look
};

/// The factors of every layer's weight gradient, inputsᵀ · deltas, for some rows.
template <class T>
struct GradientFactors {
  RowMemory<T> x;                     // the network's inputs, if somebody puts them there: (rows, widths[0])
  std::vector<MatrixView<T>> inputs;  // of layer l > 0, after dropout: (rows, widths[l])
  std::vector<MatrixView<T>> deltas;  // gradients of the loss by the pre-activations: (rows, widths[l + 1])

  GradientFactors() = default;
  /// In the memory of somebody else: size(spec, rows, leave_out_zeros) elements, aligned to 64 bytes.
  /// leave_out_zeros: x does.
  GradientFactors(const ModelSpec& spec, std::size_t rows, bool leave_out_zeros, T* memory);
  static std::size_t size(const ModelSpec& spec, std::size_t rows, bool leave_out_zeros);

  GradientFactors rows_of(Range some) const;
  SparseRows<T> inputs_of(std::size_t layer) const;
};

/// What a network keeps between forward and backward, for up to `max_rows` rows.
template <class T>
struct Workspace {
  /// With memory of its own for the factors, x with all its elements.
  Workspace(const ModelSpec& spec, std::size_t max_rows);
  /// The factors are set by whoever uses it.
  Workspace(const ModelSpec& spec, std::size_t max_rows, GradientFactors<T> factors);

  std::size_t max_rows = 0;
  std::vector<AlignedVector<T>> pre_activations;  // z of layer l: (rows, widths[l + 1])
  std::vector<AlignedVector<T>> slopes;           // f'(z) where the activation keeps slopes, else empty
  std::vector<AlignedVector<T>> dropout_scales;   // 0 or 1 / (1 − rate); empty where there is no dropout
  AlignedVector<T> factor_memory;
  GradientFactors<T> factors;  // of a batch's rows and, maybe, more
};

/// Forward, loss and backward over a batch, up to the factors of the gradient, in the workspace. Writes what
/// each micro-batch adds to the loss to `sums` (micro-batches) and, in the layout of `parameters`, the
/// gradient of what activations train, and of nothing else, to `gradient`, which may be empty if they train
/// nothing.
template <class T>
void forward_deltas(const ModelSpec& spec, const ParameterLayout& layout, std::span<const T> parameters,
                    const LocalBatch<T>& batch, Workspace<T>& workspace, std::span<T> gradient,
                    std::span<LossSums> sums);

/// db_j = Σ_i delta_ij: for every micro-batch a chain over ascending rows that starts from +0, and the tree
/// over them.   delta: (rows, units), bias_gradient: (units), overwritten
template <class T>
void sum_rows(MatrixView<const T> delta, MicroBatches micro_batches, std::span<T> bias_gradient);

/// Forward, loss and backward over a batch. Writes the gradient summed over rows (not divided), by the tree
/// over the micro-batches, to `gradient` in the layout of `parameters`, overwriting it, padding with zeros,
/// and what each micro-batch adds to the loss to `sums` (micro-batches). Micro-batches without rows add
/// zeros.
template <class T>
void forward_backward(const ModelSpec& spec, const ParameterLayout& layout, std::span<const T> parameters,
                      const LocalBatch<T>& batch, Workspace<T>& workspace, std::span<T> gradient,
                      std::span<LossSums> sums);

/// Forward without dropout. Returns the logits (rows, K), which live in the workspace.
template <class T>
MatrixView<T> forward(const ModelSpec& spec, const ParameterLayout& layout, std::span<const T> parameters,
                      MatrixView<const T> x, Workspace<T>& workspace);

/// The first layer with a pre-activation or output that is not finite among the first `rows` rows after a
/// forward pass; layers() if none.
template <class T>
std::size_t first_nonfinite_layer(const ModelSpec& spec, const Workspace<T>& workspace, std::size_t rows);

}  // namespace lockstep
