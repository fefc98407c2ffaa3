#pragma once

#include <vector>

#include "lockstep/core/aligned_vector.hpp"
#include "lockstep/nn/mlp.hpp"
#include "lockstep/nn/parameters.hpp"

namespace lockstep {

/// The gradient of one slice of the parameters from the factors of all rows of a batch, some rows of a kernel
/// at a time: an update finds it in the nearest caches, and gradients of other slices are never formed. Bits
/// are those of forward_backward over the same micro-batches, with `exact` products. For networks whose
/// activations train nothing.
template <class T>
class SliceGradient {
 public:
  /// `slice`: elements of the flat vector. Spec and layout have to outlive the object.
  SliceGradient(const ModelSpec& spec, const ParameterLayout& layout, Range slice);

  /// Of these factors from now on.
  void start(GradientFactors<T> factors, std::vector<Range> micro_batches);
  /// The sum over all rows of some elements (chunk_elements at most), counted from the begin of the slice.
  /// Valid until the next call.
  const T* sum(Range elements);

 private:
  void compute_panel(std::size_t element);
  void compute_kernel(std::size_t layer, std::size_t element);
  void compute_bias(std::size_t layer);
  std::size_t panel_rows(const Tensor& kernel) const;

  const ModelSpec* spec_;
  const ParameterLayout* layout_;
  Range slice_;
  GradientFactors<T> factors_;
  std::vector<Range> micro_batches_;
  Range panel_;  // elements of the flat vector; empty: none computed yet
  AlignedVector<T> panel_sum_;
};

}  // namespace lockstep
