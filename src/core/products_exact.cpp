#include <algorithm>
#include <cmath>
#include <vector>

#include "instruction_set.hpp"
#include "products_backends.hpp"

/// Products whose every output element is the chain of fused multiply-adds over the inner index in ascending
/// order, starting from +0. Tiles keep many chains in registers at a time; none of them is reordered or
/// split, so neither the tile's size nor the vector width can change a bit.
namespace lockstep::exact {
namespace {

/// The left factor, read as (row, inner) with any strides: x, xᵀ or delta without a copy.
template <class T>
struct LeftFactor {
  const T* data;
  std::size_t row_stride, inner_stride;
};

/// z = a · b.   a: (z.rows, inner), b: (inner, z.columns)
template <class T>
struct ChainProduct {
  LeftFactor<T> a;
  std::size_t inner;
  MatrixView<const T> b;
  MatrixView<T> z;
};

/// `Rows` × at most `Columns` elements of z from (row, column).
template <std::size_t Rows, std::size_t Columns, class T>
[[gnu::always_inline]] inline void full_tile(const ChainProduct<T>& p, std::size_t row, std::size_t column) {
  T sums[Rows][Columns] = {};
  const T* a = p.a.data + row * p.a.row_stride;
  const T* b = p.b.data + column;
  for (std::size_t k = 0; k < p.inner; ++k) {
    for (std::size_t i = 0; i < Rows; ++i) {
      const T factor = a[i * p.a.row_stride];
      for (std::size_t j = 0; j < Columns; ++j) sums[i][j] = std::fma(factor, b[j], sums[i][j]);
    }
    a += p.a.inner_stride;
    b += p.b.stride;
  }
  for (std::size_t i = 0; i < Rows; ++i) {
    for (std::size_t j = 0; j < Columns; ++j) p.z.row(row + i)[column + j] = sums[i][j];
  }
}

template <std::size_t Columns, class T>
[[gnu::always_inline]] inline void tiles_of_columns(const ChainProduct<T>& p, std::size_t column) {
  constexpr std::size_t tile_rows = 32 / sizeof(T);
  std::size_t row = 0;
  for (; row + tile_rows <= p.z.rows; row += tile_rows) full_tile<tile_rows, Columns>(p, row, column);
  for (; row < p.z.rows; ++row) full_tile<1, Columns>(p, row, column);
}

template <class T>
[[gnu::always_inline]] inline void all_tiles(const ChainProduct<T>& p) {
  constexpr std::size_t tile_columns = 32;
  std::size_t column = 0;
  for (; column + tile_columns <= p.z.columns; column += tile_columns)
    tiles_of_columns<tile_columns>(p, column);
  for (; column + 8 <= p.z.columns; column += 8) tiles_of_columns<8>(p, column);
  for (; column < p.z.columns; ++column) tiles_of_columns<1>(p, column);
}

#if defined(__x86_64__)
template <class T>
[[gnu::target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma,prefer-vector-width=512")]] void all_tiles_avx512(
    const ChainProduct<T>& p) {
  all_tiles(p);
}
template <class T>
[[gnu::target("avx2,fma")]] void all_tiles_avx2(const ChainProduct<T>& p) {
  all_tiles(p);
}
#endif

template <class T>
void compute(const ChainProduct<T>& p) {
#if defined(__x86_64__)
  if (chosen_instruction_set() == InstructionSet::avx512) return all_tiles_avx512(p);
  if (chosen_instruction_set() == InstructionSet::avx2) return all_tiles_avx2(p);
#endif
  all_tiles(p);
}

/// wᵀ in a buffer that is kept from call to call.
template <class T>
MatrixView<const T> transposed(MatrixView<const T> w) {
  thread_local std::vector<T> buffer;
  buffer.resize(std::max(buffer.size(), w.rows * w.columns));
  const MatrixView<T> result(buffer.data(), w.columns, w.rows);
  constexpr std::size_t block = 32;  // rows and columns that stay in the cache together
  for (std::size_t i0 = 0; i0 < w.rows; i0 += block) {
    for (std::size_t j0 = 0; j0 < w.columns; j0 += block) {
      for (std::size_t j = j0; j < std::min(j0 + block, w.columns); ++j) {
        for (std::size_t i = i0; i < std::min(i0 + block, w.rows); ++i) result(j, i) = w(i, j);
      }
    }
  }
  return result;
}

}  // namespace

template <class T>
void forward_product(MatrixView<const T> x, MatrixView<const T> w, MatrixView<T> z) {
  compute(ChainProduct<T>{{x.data, x.stride, 1}, x.columns, w, z});
}

template <class T>
void weight_gradient_product(MatrixView<const T> x, MatrixView<const T> delta, MatrixView<T> dw) {
  compute(ChainProduct<T>{{x.data, 1, x.stride}, x.rows, delta, dw});
}

template <class T>
void input_gradient_product(MatrixView<const T> delta, MatrixView<const T> w, MatrixView<T> dx) {
  compute(ChainProduct<T>{{delta.data, delta.stride, 1}, delta.columns, transposed(w), dx});
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

}  // namespace lockstep::exact
