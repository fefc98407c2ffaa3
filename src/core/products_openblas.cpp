#include <cblas.h>

#include "lockstep/core/checked_cast.hpp"
#include "products_backends.hpp"

namespace lockstep::openblas {
namespace {

/// c = op(a) · op(b), all row-major; `inner` is the summed dimension.
template <class T>
void gemm(CBLAS_TRANSPOSE transpose_a, CBLAS_TRANSPOSE transpose_b, MatrixView<const T> a,
          MatrixView<const T> b, std::size_t inner, MatrixView<T> c) {
  const auto size = [](std::size_t n) { return checked_cast<blasint>(n, "a matrix dimension"); };
  if constexpr (sizeof(T) == sizeof(float)) {
    cblas_sgemm(CblasRowMajor, transpose_a, transpose_b, size(c.rows), size(c.columns), size(inner), 1,
                a.data, size(a.stride), b.data, size(b.stride), 0, c.data, size(c.stride));
  } else {
    cblas_dgemm(CblasRowMajor, transpose_a, transpose_b, size(c.rows), size(c.columns), size(inner), 1,
                a.data, size(a.stride), b.data, size(b.stride), 0, c.data, size(c.stride));
  }
}

}  // namespace

template <class T>
void forward_product(MatrixView<const T> x, MatrixView<const T> w, MatrixView<T> z) {
  gemm(CblasNoTrans, CblasNoTrans, x, w, x.columns, z);
}

template <class T>
void weight_gradient_product(MatrixView<const T> x, MatrixView<const T> delta, MatrixView<T> dw) {
  gemm(CblasTrans, CblasNoTrans, x, delta, x.rows, dw);
}

template <class T>
void input_gradient_product(MatrixView<const T> delta, MatrixView<const T> w, MatrixView<T> dx) {
  gemm(CblasNoTrans, CblasTrans, delta, w, delta.columns, dx);
}

template void forward_product<float>(MatrixView<const float>, MatrixView<const float>, MatrixView<float>);
template void forward_product<double>(MatrixView<const double>, MatrixView<const double>, MatrixView<double>);
template void weight_gradient_product<float>(MatrixView<const float>, MatrixView<const float>,
                                             MatrixView<float>);
template void weight_gradient_product<double>(MatrixView<const double>, MatrixView<const double>,
                                              MatrixView<double>);
template void input_gradient_product<float>(MatrixView<const float>, MatrixView<const float>,
                                            MatrixView<float>);
template void input_gradient_product<double>(MatrixView<const double>, MatrixView<const double>,
                                             MatrixView<double>);

}  // namespace lockstep::openblas
