#include "lockstep/core/products.hpp"

#include <algorithm>
#include <vector>

#include "lockstep/core/aligned_vector.hpp"
#include "lockstep/core/summation_tree.hpp"
#include "products_backends.hpp"

namespace lockstep {
namespace {

template <class T>
void set_zero(MatrixView<T> matrix) {
  for (std::size_t i = 0; i < matrix.rows; ++i) std::fill_n(matrix.row(i), matrix.columns, T{});
}

template <class T>
void add(MatrixView<T> sum, MatrixView<const T> term) {
  for (std::size_t i = 0; i < sum.rows; ++i) {
    for (std::size_t j = 0; j < sum.columns; ++j) sum(i, j) += term(i, j);
  }
}

/// openblas's weight gradients of the micro-batches, added up over the tree.
template <class T>
void sum_weight_gradients(MatrixView<const T> x, MatrixView<const T> delta, MicroBatches micro_batches,
                          MatrixView<T> dw) {
  thread_local std::vector<AlignedVector<T>> waiting;  // levels 1, 2 … of the tree; level 0 is dw
  const auto level_view = [&](std::size_t level) -> MatrixView<T> {
    if (level == 0) return dw;
    if (waiting.size() < level) waiting.resize(level);
    if (waiting[level - 1].size() < dw.rows * dw.columns) waiting[level - 1].resize(dw.rows * dw.columns);
    return {waiting[level - 1].data(), dw.rows, dw.columns};
  };
  sum_in_tree_order(micro_batches.size(), [&](std::size_t i, std::size_t level, std::size_t additions) {
    const Range rows = micro_batches[i];
    if (rows.empty()) {
      set_zero(level_view(level));
    } else {
      openblas::weight_gradient_product(x.rows_of(rows), delta.rows_of(rows), level_view(level));
    }
    for (; additions > 0; --additions, --level) add<T>(level_view(level - 1), level_view(level));
  });
}

}  // namespace

template <class T>
void forward_product(Arithmetic arithmetic, const SparseRows<T>& x, MatrixView<const T> w,
                     MicroBatches micro_batches, MatrixView<T> z, bool is_finite) {
  if (arithmetic == Arithmetic::exact) {
    return x.leave_out_zeros() ? exact::sparse_forward_product(x, w, z, is_finite)
                               : exact::forward_product(x.values, w, z);
  }
  for (const Range& rows : micro_batches) {
    if (!rows.empty()) openblas::forward_product(x.values.rows_of(rows), w, z.rows_of(rows));
  }
}

template <class T>
void weight_gradient_product(Arithmetic arithmetic, const SparseRows<T>& x, MatrixView<const T> delta,
                             MicroBatches micro_batches, MatrixView<T> dw) {
  if (micro_batches.empty()) return set_zero(dw);
  if (arithmetic == Arithmetic::openblas) return sum_weight_gradients(x.values, delta, micro_batches, dw);
  if (x.leave_out_zeros()) return exact::sparse_weight_gradient_product(x, delta, micro_batches, dw);
  exact::weight_gradient_product(x.values, delta, micro_batches, dw);
}

template <class T>
void input_gradient_product(Arithmetic arithmetic, MatrixView<const T> delta, MatrixView<const T> w,
                            MicroBatches micro_batches, MatrixView<T> dx) {
  if (arithmetic == Arithmetic::exact) return exact::input_gradient_product(delta, w, dx);
  for (const Range& rows : micro_batches) {
    if (!rows.empty()) openblas::input_gradient_product(delta.rows_of(rows), w, dx.rows_of(rows));
  }
}

template void forward_product<float>(Arithmetic, const SparseRows<float>&, MatrixView<const float>,
                                     MicroBatches, MatrixView<float>, bool);
template void weight_gradient_product<float>(Arithmetic, const SparseRows<float>&, MatrixView<const float>,
                                             MicroBatches, MatrixView<float>);
template void input_gradient_product<float>(Arithmetic, MatrixView<const float>, MatrixView<const float>,
                                            MicroBatches, MatrixView<float>);
template void forward_product<double>(Arithmetic, const SparseRows<double>&, MatrixView<const double>,
                                      MicroBatches, MatrixView<double>, bool);
template void weight_gradient_product<double>(Arithmetic, const SparseRows<double>&, MatrixView<const double>,
                                              MicroBatches, MatrixView<double>);
template void input_gradient_product<double>(Arithmetic, MatrixView<const double>, MatrixView<const double>,
                                             MicroBatches, MatrixView<double>);

}  // namespace lockstep
