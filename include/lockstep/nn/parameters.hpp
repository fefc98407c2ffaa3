#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "lockstep/core/matrix.hpp"
#include "lockstep/core/partition.hpp"

namespace lockstep {

/// One kernel or bias, or the trained parameters of an activation, in the flat parameter vector.
struct Tensor {
  std::string layer;        // "dense_0" … "output"
  std::string name;         // "kernel" | "bias" | "activation"
  std::size_t offset = 0;   // of its first element
  std::size_t rows = 0;     // kernel: in;  others: 1
  std::size_t columns = 0;  // out;  activation: 1 or out
  std::size_t size() const { return rows * columns; }
  bool is_kernel() const { return name == "kernel"; }
};

/// Where every parameter stands in the flat vector: layer after layer, kernel (in, out) row-major, then bias,
/// then what the activation trains, each starting at a multiple of 64 bytes. Elements between tensors are
/// padding and always zero. Gradients and optimizer slots have the same layout.
class ParameterLayout {
 public:
  /// widths: input width, then the width of every layer. `element_size` in bytes. trained_activations: how
  /// many parameters the activation of each hidden layer trains; empty: none do. Throws UserError if a width
  /// is 0 or there are fewer than two, OverflowError if the parameters would take more than 1 TiB.
  ParameterLayout(const std::vector<std::size_t>& widths, std::size_t element_size,
                  const std::vector<std::size_t>& trained_activations = {});

  const std::vector<Tensor>& tensors() const { return tensors_; }
  /// Indices in tensors() of a layer's tensors.
  Range layer_tensors(std::size_t layer) const { return {layer_starts_[layer], layer_starts_[layer + 1]}; }
  const Tensor& kernel(std::size_t layer) const { return tensors_[layer_starts_[layer]]; }
  const Tensor& bias(std::size_t layer) const { return tensors_[layer_starts_[layer] + 1]; }
  /// The parameters that a layer's activation trains; nullptr if it trains none.
  const Tensor* activation(std::size_t layer) const {
    return layer_tensors(layer).size() > 2 ? &tensors_[layer_starts_[layer] + 2] : nullptr;
  }
  std::size_t layers() const { return layer_starts_.size() - 1; }
  /// Length of the flat vector, padding included.
  std::size_t size() const { return size_; }
  /// Number of trained parameters, without padding.
  std::size_t parameter_count() const;

  /// Fixed blocks over which norms are summed, in order: every tensor cut into pieces of at most 4096
  /// elements (the last piece takes the padding after its tensor). They cover [0, size()). block_tensor[b] is
  /// the tensor of block b.
  const std::vector<std::size_t>& block_starts() const { return block_starts_; }  // blocks + 1 entries
  const std::vector<std::size_t>& block_tensors() const { return block_tensors_; }
  std::size_t blocks() const { return block_tensors_.size(); }

 private:
  std::vector<Tensor> tensors_;
  std::vector<std::size_t> layer_starts_;  // layers + 1 entries
  std::vector<std::size_t> block_starts_;
  std::vector<std::size_t> block_tensors_;
  std::size_t size_ = 0;
};

/// A piece of one norm block that fits into the first-level cache together with its gradient and optimizer
/// state. Updates work chunk by chunk.
struct Chunk {
  std::size_t block = 0;
  Range elements;  // counted from the begin of the slice
};
inline constexpr std::size_t chunk_elements = 1024;  // elements

/// Elements of norm block b, counted from the begin of the slice that `blocks` make up.
inline Range block_in_slice(const ParameterLayout& layout, Range blocks, std::size_t b) {
  const auto& starts = layout.block_starts();
  return {starts[b] - starts[blocks.begin], starts[b + 1] - starts[blocks.begin]};
}

/// Calls work(Chunk) for the chunks of `some` blocks of the slice that `blocks` make up, ascending.
template <class Work>
void for_chunks(const ParameterLayout& layout, Range blocks, Range some, const Work& work) {
  for (std::size_t block = some.begin; block < some.end; ++block) {
    const Range whole = block_in_slice(layout, blocks, block);
    for (std::size_t begin = whole.begin; begin < whole.end; begin += chunk_elements) {
      work(Chunk{block, {begin, std::min(begin + chunk_elements, whole.end)}});
    }
  }
}

/// Of all blocks of the slice.
template <class Work>
void for_chunks(const ParameterLayout& layout, Range blocks, const Work& work) {
  for_chunks(layout, blocks, blocks, work);
}

/// The tensor's elements in a flat vector, as (rows, columns).
template <class T>
MatrixView<T> tensor_view(const Tensor& tensor, T* flat) {
  return {flat + tensor.offset, tensor.rows, tensor.columns};
}

/// SHA-256 of every layer's kernel, then bias, then what its activation trains, row-major, little-endian.
/// `flat`: (layout.size()).
template <class T>
std::string parameters_sha256(const ParameterLayout& layout, std::span<const T> flat);

}  // namespace lockstep
