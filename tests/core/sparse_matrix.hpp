#pragma once

#include "lockstep/core/aligned_vector.hpp"
#include "lockstep/core/sparse_rows.hpp"

namespace lockstep::testing {

/// A matrix without its zeros.
template <class T>
class SparseMatrix {
 public:
  explicit SparseMatrix(MatrixView<const T> all)
      : memory_(RowMemory<T>::size(all.rows, all.columns, /*leave_out_zeros=*/true)),
        rows_(all.rows, all.columns, /*leave_out_zeros=*/true, memory_.data()) {
    NonZeroIndex index;
    for (std::size_t i = 0; i < all.rows; ++i) {
      index.append(std::span<const T>(all.row(i), all.columns));
      index.view().template copy<T>(i, T(1), rows_, i);
    }
  }
  SparseMatrix(const SparseMatrix&) = delete;

  SparseRows<T> rows() const { return rows_.rows(); }

 private:
  AlignedVector<T> memory_;
  RowMemory<T> rows_;
};

}  // namespace lockstep::testing
