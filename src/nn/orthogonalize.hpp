#pragma once

#include <cmath>
#include <vector>

#include "lockstep/core/matrix.hpp"

namespace lockstep {

/// One pass of modified Gram-Schmidt over the columns of q: (rows, columns), rows ≥ columns, in place. Every
/// sum is the chain over ascending rows.
inline void gram_schmidt_pass(MatrixView<double> q) {
  std::vector<double> projections(q.columns);
  for (std::size_t k = 0; k < q.columns; ++k) {
    double squares = 0;
    for (std::size_t i = 0; i < q.rows; ++i) squares += q(i, k) * q(i, k);
    const double norm = std::sqrt(squares);
    for (std::size_t i = 0; i < q.rows; ++i) q(i, k) /= norm;

    projections.assign(q.columns, 0.0);
    for (std::size_t i = 0; i < q.rows; ++i) {
      const double* const row = q.row(i);
      for (std::size_t j = k + 1; j < q.columns; ++j) projections[j] += row[k] * row[j];
    }
    for (std::size_t i = 0; i < q.rows; ++i) {
      double* const row = q.row(i);
      for (std::size_t j = k + 1; j < q.columns; ++j) row[j] -= row[k] * projections[j];
    }
  }
}

/// Replaces the columns of a by the Q of a = QR with a positive diagonal of R: unique, so it is uniform over
/// orthogonal matrices for normal a (Mezzadri 2007). The second pass makes Q orthogonal to rounding whatever
/// a's condition ("twice is enough", Giraud et al. 2005). Only IEEE operations in a fixed order: the bits
/// are the same everywhere.
inline void orthonormalize_columns(MatrixView<double> a) {
  gram_schmidt_pass(a);
  gram_schmidt_pass(a);
}

}  // namespace lockstep
