#pragma once

#include <cmath>
#include <vector>

#include "lockstep/nn/optimizer.hpp"

namespace lockstep {

/// Sums of squares of all norm blocks of a vector of which this slice has some: value(i) is the slice's
/// element i. Squares are added in double, ascending within a block, so that the sums do not depend on how
/// slices are cut. Collective: calls `complete` once.   → (layout.blocks())
template <class Value>
std::vector<double> block_square_sums(const ParameterLayout& layout, Range blocks,
                                      const CompleteBlockSums& complete, Value value) {
  std::vector<double> sums(layout.blocks(), 0.0);
  for (std::size_t b = blocks.begin; b < blocks.end; ++b) {
    const Range elements = block_in_slice(layout, blocks, b);
    double sum = 0;
    for (std::size_t i = elements.begin; i < elements.end; ++i) {
      const double x = static_cast<double>(value(i));
      sum += x * x;
    }
    sums[b] = sum;
  }
  complete(sums);
  return sums;
}

/// Euclidean norms of whole tensors, of which this slice has some elements. Collective.   → (tensors)
template <class Value>
std::vector<double> tensor_norms(const ParameterLayout& layout, Range blocks,
                                 const CompleteBlockSums& complete, Value value) {
  std::vector<double> norms = tensor_sums(layout, block_square_sums(layout, blocks, complete, value));
  for (double& norm : norms) norm = std::sqrt(norm);
  return norms;
}

}  // namespace lockstep
