#pragma once

#include "lockstep/core/products.hpp"

/// The two implementations behind products.hpp. T: float or double.
namespace lockstep::exact {

template <class T>
void forward_product(MatrixView<const T> x, MatrixView<const T> w, MatrixView<T> z);
/// At least one micro-batch.
template <class T>
void weight_gradient_product(MatrixView<const T> x, MatrixView<const T> delta, MicroBatches micro_batches,
                             MatrixView<T> dw);
template <class T>
void input_gradient_product(MatrixView<const T> delta, MatrixView<const T> w, MatrixView<T> dx);

/// The same for rows that leave out their zeros.
template <class T>
void sparse_forward_product(const SparseRows<T>& x, MatrixView<const T> w, MatrixView<T> z, bool is_finite);
template <class T>
void sparse_weight_gradient_product(const SparseRows<T>& x, MatrixView<const T> delta,
                                    MicroBatches micro_batches, MatrixView<T> dw);

}  // namespace lockstep::exact

/// Each for one micro-batch, of at least one row.
namespace lockstep::openblas {

template <class T>
void forward_product(MatrixView<const T> x, MatrixView<const T> w, MatrixView<T> z);
template <class T>
void weight_gradient_product(MatrixView<const T> x, MatrixView<const T> delta, MatrixView<T> dw);
template <class T>
void input_gradient_product(MatrixView<const T> delta, MatrixView<const T> w, MatrixView<T> dx);

}  // namespace lockstep::openblas
