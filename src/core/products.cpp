#include "lockstep/core/products.hpp"

#include <cblas.h>

#include <algorithm>
#include <string>

#include "products_backends.hpp"

namespace lockstep {
namespace {

template <class T>
void set_zero(MatrixView<T> matrix) {
  for (std::size_t i = 0; i < matrix.rows; ++i) std::fill_n(matrix.row(i), matrix.columns, T{});
}

}  // namespace

template <class T>
void forward_product(Arithmetic arithmetic, MatrixView<const T> x, MatrixView<const T> w, MatrixView<T> z) {
  if (x.rows == 0) return;
  if (arithmetic == Arithmetic::exact) {
    exact::forward_product(x, w, z);
  } else {
    openblas::forward_product(x, w, z);
  }
}

template <class T>
void weight_gradient_product(Arithmetic arithmetic, MatrixView<const T> x, MatrixView<const T> delta,
                             MatrixView<T> dw) {
  if (x.rows == 0) return set_zero(dw);
  if (arithmetic == Arithmetic::exact) {
    exact::weight_gradient_product(x, delta, dw);
  } else {
    openblas::weight_gradient_product(x, delta, dw);
  }
}

template <class T>
void input_gradient_product(Arithmetic arithmetic, MatrixView<const T> delta, MatrixView<const T> w,
                            MatrixView<T> dx) {
  if (delta.rows == 0) return;
  if (arithmetic == Arithmetic::exact) {
    exact::input_gradient_product(delta, w, dx);
  } else {
    openblas::input_gradient_product(delta, w, dx);
  }
}

BlasIdentity blas_identity() {
  // "OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH …"
  const std::string config = openblas_get_config();
  const std::size_t begin = config.find(' ') + 1;
  return {config.substr(begin, config.find(' ', begin) - begin), openblas_get_corename()};
}

void use_one_blas_thread() {
  openblas_set_num_threads(1);
}

template void forward_product<float>(Arithmetic, MatrixView<const float>, MatrixView<const float>,
                                     MatrixView<float>);
template void forward_product<double>(Arithmetic, MatrixView<const double>, MatrixView<const double>,
                                      MatrixView<double>);
template void weight_gradient_product<float>(Arithmetic, MatrixView<const float>, MatrixView<const float>,
                                             MatrixView<float>);
template void weight_gradient_product<double>(Arithmetic, MatrixView<const double>, MatrixView<const double>,
                                              MatrixView<double>);
template void input_gradient_product<float>(Arithmetic, MatrixView<const float>, MatrixView<const float>,
                                            MatrixView<float>);
template void input_gradient_product<double>(Arithmetic, MatrixView<const double>, MatrixView<const double>,
                                             MatrixView<double>);

}  // namespace lockstep
