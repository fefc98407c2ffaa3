#include <cblas.h>
#include <dlfcn.h>

#include <stdexcept>
#include <string>

#include "lockstep/core/checked_cast.hpp"
#include "products_backends.hpp"

namespace lockstep::openblas {
namespace {

/// OpenBLAS as it is on this machine.
struct Library {
  decltype(&cblas_sgemm) sgemm;
  decltype(&cblas_dgemm) dgemm;
  decltype(&openblas_get_config) config;
  decltype(&openblas_get_corename) core_name;
  decltype(&openblas_get_num_threads) threads;
};

template <class F>
void find(void* library, const char* name, F*& function) {
  function = reinterpret_cast<F*>(::dlsym(library, name));
  if (function == nullptr) throw std::runtime_error(std::string("OpenBLAS: ") + ::dlerror());
}

Library load() {
  // The one that the system or the environment chooses, else the one of the build.
  void* library = nullptr;
  std::string why;
  for (const char* path : {"libopenblas.so.0", LOCKSTEP_OPENBLAS}) {
    if (library == nullptr) library = ::dlopen(path, RTLD_NOW);
    if (library == nullptr) why += std::string(why.empty() ? "" : "; ") + ::dlerror();
  }
  if (library == nullptr)
    throw std::runtime_error("OpenBLAS cannot be loaded: " + why + "; --arithmetic exact needs none");
  Library found{};
  find(library, "cblas_sgemm", found.sgemm);
  find(library, "cblas_dgemm", found.dgemm);
  find(library, "openblas_get_config", found.config);
  find(library, "openblas_get_corename", found.core_name);
  find(library, "openblas_get_num_threads", found.threads);
  decltype(&openblas_set_num_threads) set_threads = nullptr;
  find(library, "openblas_set_num_threads", set_threads);
  set_threads(1);
  return found;
}

/// Loaded at its first use, not with the program: unless the environment says otherwise it then starts a
/// thread for every core, and with a rank for every core all of those would compete while the job starts.
const Library& library() {
  static const Library loaded = load();
  return loaded;
}

/// c = op(a) · op(b), all row-major; `inner` is the summed dimension.
template <class T>
void gemm(CBLAS_TRANSPOSE transpose_a, CBLAS_TRANSPOSE transpose_b, MatrixView<const T> a,
          MatrixView<const T> b, std::size_t inner, MatrixView<T> c) {
  const auto size = [](std::size_t n) { return checked_cast<blasint>(n, "a matrix dimension"); };
  if constexpr (sizeof(T) == sizeof(float)) {
    library().sgemm(CblasRowMajor, transpose_a, transpose_b, size(c.rows), size(c.columns), size(inner), 1,
                    a.data, size(a.stride), b.data, size(b.stride), 0, c.data, size(c.stride));
  } else {
    library().dgemm(CblasRowMajor, transpose_a, transpose_b, size(c.rows), size(c.columns), size(inner), 1,
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

namespace lockstep {

BlasIdentity blas_identity() {
  // "OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH …"
  const std::string config = openblas::library().config();
  const std::size_t begin = config.find(' ') + 1;
  return {config.substr(begin, config.find(' ', begin) - begin), openblas::library().core_name(),
          openblas::library().threads()};
}

}  // namespace lockstep
