#include "lockstep/nn/parameters.hpp"

#include <algorithm>
#include <bit>

#include "lockstep/core/checked_cast.hpp"
#include "lockstep/core/error.hpp"
#include "lockstep/core/sha256.hpp"

namespace lockstep {
namespace {

constexpr std::size_t alignment_bytes = 64;
constexpr std::size_t norm_block_elements = 4096;
// Every rank holds all parameters; more than this is a slip of the keyboard and would exhaust memory right
// here.
constexpr std::size_t limit_bytes = std::size_t{1} << 40;

static_assert(std::endian::native == std::endian::little, "digests are over little-endian numbers");

/// Appends the tensor at the next aligned offset and moves `end` past it and its padding.
void place(std::vector<Tensor>& tensors, Tensor tensor, std::size_t alignment, std::size_t& end) {
  const std::size_t length = checked_product(tensor.rows, tensor.columns, "a layer");
  tensor.offset = end;
  if (__builtin_add_overflow(end, length, &end) || __builtin_add_overflow(end, alignment - 1, &end)) {
    throw OverflowError("the number of parameters does not fit into 64 bits");
  }
  end -= end % alignment;
  tensors.push_back(std::move(tensor));
}

}  // namespace

ParameterLayout::ParameterLayout(const std::vector<std::size_t>& widths, std::size_t element_size,
                                 const std::vector<std::size_t>& trained_activations) {
  if (widths.size() < 2 || std::find(widths.begin(), widths.end(), 0) != widths.end()) {
    throw UserError("layer widths: expected an input and an output width and no width of 0");
  }
  const std::size_t alignment = alignment_bytes / element_size;
  for (std::size_t l = 0; l + 1 < widths.size(); ++l) {
    const bool last = l + 2 == widths.size();
    const std::string layer = last ? "output" : "dense_" + std::to_string(l);
    layer_starts_.push_back(tensors_.size());
    place(tensors_, {layer, "kernel", 0, widths[l], widths[l + 1]}, alignment, size_);
    place(tensors_, {layer, "bias", 0, 1, widths[l + 1]}, alignment, size_);
    const std::size_t trained = l < trained_activations.size() ? trained_activations[l] : 0;
    if (trained > 0) place(tensors_, {layer, "activation", 0, 1, trained}, alignment, size_);
  }
  layer_starts_.push_back(tensors_.size());
  if (checked_product(size_, element_size, "the parameters' size in bytes") > limit_bytes) {
    throw OverflowError("the network has " + std::to_string(parameter_count()) +
                        " parameters; at most 1 TiB of them is supported");
  }

  for (std::size_t t = 0; t < tensors_.size(); ++t) {
    for (std::size_t i = 0; i < tensors_[t].size(); i += norm_block_elements) {
      block_starts_.push_back(tensors_[t].offset + i);
      block_tensors_.push_back(t);
    }
  }
  block_starts_.push_back(size_);
}

std::size_t ParameterLayout::parameter_count() const {
  std::size_t count = 0;
  for (const Tensor& tensor : tensors_) count += tensor.size();
  return count;
}

template <class T>
std::string parameters_sha256(const ParameterLayout& layout, std::span<const T> flat) {
  Sha256 digest;
  for (const Tensor& tensor : layout.tensors()) {
    digest.update(std::as_bytes(flat.subspan(tensor.offset, tensor.size())));
  }
  return digest.hex_digest();
}

template std::string parameters_sha256(const ParameterLayout&, std::span<const float>);
template std::string parameters_sha256(const ParameterLayout&, std::span<const double>);

}  // namespace lockstep
