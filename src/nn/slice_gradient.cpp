#include "lockstep/nn/slice_gradient.hpp"

#include <algorithm>
#include <utility>

namespace lockstep {
namespace {

/// A panel is small enough for the second-level cache, and has rows enough for fast products, which go
/// through all deltas for each.
constexpr std::size_t panel_bytes = 512 * 1024, least_panel_rows = 256;

/// Where the next tensor starts: what lies between is padding.
std::size_t padded_end(const ParameterLayout& layout, std::size_t tensor) {
  return tensor + 1 < layout.tensors().size() ? layout.tensors()[tensor + 1].offset : layout.size();
}

}  // namespace

template <class T>
SliceGradient<T>::SliceGradient(const ModelSpec& spec, const ParameterLayout& layout, Range slice)
    : spec_(&spec), layout_(&layout), slice_(slice) {
  std::size_t largest = 0;
  for (const Tensor& tensor : layout.tensors()) {
    const std::size_t rows_of_slice = slice.size() / tensor.columns + 2;
    largest = std::max(largest, std::min({panel_rows(tensor), tensor.rows, rows_of_slice}) * tensor.columns);
  }
  panel_sum_.resize(largest + 64 / sizeof(T));
}

template <class T>
void SliceGradient<T>::start(GradientFactors<T> factors, std::vector<Range> micro_batches) {
  factors_ = std::move(factors);
  micro_batches_ = std::move(micro_batches);
  panel_ = {};
}

template <class T>
const T* SliceGradient<T>::sum(Range elements) {
  const Range wanted{slice_.begin + elements.begin, slice_.begin + elements.end};
  if (wanted.begin < panel_.begin || wanted.end > panel_.end) compute_panel(wanted.begin);
  return panel_sum_.data() + (wanted.begin - panel_.begin);
}

/// So many that a chunk which begins in the first of them ends among them.
template <class T>
std::size_t SliceGradient<T>::panel_rows(const Tensor& kernel) const {
  return std::max(panel_bytes / sizeof(T) / kernel.columns, least_panel_rows);
}

template <class T>
void SliceGradient<T>::compute_panel(std::size_t element) {
  const std::vector<Tensor>& tensors = layout_->tensors();
  for (std::size_t layer = 0; layer < layout_->layers(); ++layer) {
    const Range of_layer = layout_->layer_tensors(layer);
    if (element >= padded_end(*layout_, of_layer.end - 1)) continue;
    const bool in_kernel = element < tensors[of_layer.begin + 1].offset;
    return in_kernel ? compute_kernel(layer, element) : compute_bias(layer);
  }
}

template <class T>
void SliceGradient<T>::compute_kernel(std::size_t layer, std::size_t element) {
  const Tensor& kernel = layout_->kernel(layer);
  const std::size_t end_of_slice = std::min(slice_.end, kernel.offset + kernel.size());
  const std::size_t first = std::min((element - kernel.offset) / kernel.columns, kernel.rows - 1);
  const std::size_t last = (end_of_slice - kernel.offset + kernel.columns - 1) / kernel.columns;
  const Range rows{first, std::min(first + panel_rows(kernel), last)};

  weight_gradient_product<T>(spec_->arithmetic, factors_.inputs_of(layer).columns_of(rows),
                             factors_.deltas[layer], micro_batches_,
                             {panel_sum_.data(), rows.size(), kernel.columns});
  panel_ = {kernel.offset + rows.begin * kernel.columns, kernel.offset + rows.end * kernel.columns};
  if (rows.end < kernel.rows) return;
  const std::size_t end = layout_->bias(layer).offset;
  std::fill_n(panel_sum_.data() + panel_.size(), end - panel_.end, T(0));
  panel_.end = end;
}

template <class T>
void SliceGradient<T>::compute_bias(std::size_t layer) {
  const Tensor& bias = layout_->bias(layer);
  sum_rows<T>(factors_.deltas[layer], micro_batches_, {panel_sum_.data(), bias.size()});
  panel_ = {bias.offset, padded_end(*layout_, layout_->layer_tensors(layer).end - 1)};
  std::fill_n(panel_sum_.data() + bias.size(), panel_.size() - bias.size(), T(0));
}

template class SliceGradient<float>;
template class SliceGradient<double>;

}  // namespace lockstep
