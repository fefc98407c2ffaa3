#include <algorithm>
#include <cmath>
#include <vector>

#include "instruction_set.hpp"
#include "products_backends.hpp"

/// Products whose every output element is the chain of fused multiply-adds over the inner index in ascending
/// order, starting from +0. Tiles keep many chains in registers at a time; none of them is reordered or
/// split, so neither the tile's size nor the vector width can change a bit.
///
/// The functions under compute() are always inlined, so that each instruction set gets a copy of its own.
namespace lockstep::exact {
namespace {

/// z = a · b.   b: (inner, z.columns); a: (z.rows, inner), read with any strides: xᵀ is x with strides
/// swapped.
template <class T>
struct ChainProduct {
  const T* a;
  std::size_t a_row_stride, a_inner_stride;
  std::size_t inner;
  MatrixView<const T> b;
  MatrixView<T> z;
};

/// A few columns of b, from `column` on.
template <class T>
struct Strip {
  std::size_t column, columns;
  const T* b;
  std::size_t b_stride;
};

/// Scratch of one call, kept from call to call.
template <class T, class Purpose>
T* scratch(std::size_t size) {
  thread_local std::vector<T> buffer;
  if (buffer.size() < size) buffer.resize(size);
  return buffer.data();
}

/// `Rows` × `Columns` chains, from `row` on, into `out`. The pragmas (-fopenmp-simd) make the compiler turn
/// the loops over j into vectors rather than unroll them; neither reorders anything.
template <std::size_t Rows, std::size_t Columns, class T>
[[gnu::always_inline]] inline void compute_chains(const ChainProduct<T>& p, std::size_t row,
                                                  const Strip<T>& strip, T* out, std::size_t out_stride) {
  T sums[Rows][Columns] = {};
  const T* a = p.a + row * p.a_row_stride;
  const T* b = strip.b;
  for (std::size_t k = 0; k < p.inner; ++k) {
    for (std::size_t i = 0; i < Rows; ++i) {
      const T factor = a[i * p.a_row_stride];
#pragma omp simd
      for (std::size_t j = 0; j < Columns; ++j) sums[i][j] = std::fma(factor, b[j], sums[i][j]);
    }
    a += p.a_inner_stride;
    b += strip.b_stride;
  }
  for (std::size_t i = 0; i < Rows; ++i) {
#pragma omp simd
    for (std::size_t j = 0; j < Columns; ++j) out[i * out_stride + j] = sums[i][j];
  }
}

/// A tile of z; of a narrow strip only the columns that z has.
template <std::size_t Rows, std::size_t Columns, class T>
[[gnu::always_inline]] inline void compute_tile(const ChainProduct<T>& p, std::size_t row,
                                                const Strip<T>& strip) {
  T* const z = p.z.row(row) + strip.column;
  if (strip.columns == Columns) return compute_chains<Rows, Columns>(p, row, strip, z, p.z.stride);
  T tile[Rows * Columns];
  compute_chains<Rows, Columns>(p, row, strip, tile, Columns);
  for (std::size_t i = 0; i < Rows; ++i) {
    for (std::size_t j = 0; j < strip.columns; ++j) z[i * p.z.stride + j] = tile[i * Columns + j];
  }
}

/// The strip of b from `column` on. It is copied, row after row and filled up with zeros, where it is
/// narrower than a tile, and where many tiles read it: rows far apart would drive each other out of the
/// cache.
template <std::size_t Rows, std::size_t Columns, class T>
[[gnu::always_inline]] inline Strip<T> strip_of(const ChainProduct<T>& p, std::size_t column) {
  const std::size_t columns = std::min(Columns, p.z.columns - column);
  if (columns == Columns && p.z.rows <= 4 * Rows) return {column, columns, p.b.data + column, p.b.stride};
  struct Strips;
  T* const packed = scratch<T, Strips>(p.inner * Columns);
  for (std::size_t k = 0; k < p.inner; ++k) {
    const T* const from = p.b.row(k) + column;
    T* const to = packed + k * Columns;
    if (columns == Columns) {
      for (std::size_t j = 0; j < Columns; ++j) to[j] = from[j];
    } else {
      for (std::size_t j = 0; j < Columns; ++j) to[j] = j < columns ? from[j] : T(0);
    }
  }
  return {column, columns, packed, Columns};
}

template <std::size_t Rows, std::size_t Columns, class T>
[[gnu::always_inline]] inline void compute_strip(const ChainProduct<T>& p, std::size_t column) {
  const Strip<T> strip = strip_of<Rows, Columns>(p, column);
  std::size_t row = 0;
  for (; row + Rows <= p.z.rows; row += Rows) compute_tile<Rows, Columns>(p, row, strip);
  for (; row + Rows / 2 <= p.z.rows; row += Rows / 2) compute_tile<Rows / 2, Columns>(p, row, strip);
  for (; row < p.z.rows; ++row) compute_tile<1, Columns>(p, row, strip);
}

/// All of z in tiles of `Rows` rows of `Bytes` bytes; at the right edge half as wide if that is enough.
template <std::size_t Rows, std::size_t Bytes, class T>
[[gnu::always_inline]] inline void compute_in_tiles(const ChainProduct<T>& p) {
  constexpr std::size_t columns = Bytes / sizeof(T);
  std::size_t column = 0;
  for (; column + columns / 2 < p.z.columns; column += columns) compute_strip<Rows, columns>(p, column);
  if (column < p.z.columns) compute_strip<Rows, columns / 2>(p, column);
}

// Tiles fill the registers of each set: two vectors wide, and as many rows as leave room for the factors.
#if defined(__x86_64__)
template <class T>
[[gnu::target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")]] void compute_avx512(const ChainProduct<T>& p) {
  compute_in_tiles<8, 128>(p);
}
template <class T>
[[gnu::target("avx2,fma")]] void compute_avx2(const ChainProduct<T>& p) {
  compute_in_tiles<6, 64>(p);
}
#endif
template <class T>
void compute_baseline(const ChainProduct<T>& p) {
  compute_in_tiles<8, 32>(p);
}

template <class T>
void compute(const ChainProduct<T>& p) {
#if defined(__x86_64__)
  if (chosen_instruction_set() == InstructionSet::avx512) return compute_avx512(p);
  if (chosen_instruction_set() == InstructionSet::avx2) return compute_avx2(p);
#endif
  compute_baseline(p);
}

/// to = fromᵀ
template <class T>
void transpose(MatrixView<const T> from, MatrixView<T> to) {
  constexpr std::size_t block = 16;  // rows and columns that stay in the cache together
  for (std::size_t i0 = 0; i0 < from.rows; i0 += block) {
    const std::size_t i1 = std::min(i0 + block, from.rows);
    for (std::size_t j = 0; j < from.columns; ++j) {
      for (std::size_t i = i0; i < i1; ++i) to(j, i) = from(i, j);
    }
  }
}

}  // namespace

template <class T>
void forward_product(MatrixView<const T> x, MatrixView<const T> w, MatrixView<T> z) {
  compute(ChainProduct<T>{x.data, x.stride, 1, x.columns, w, z});
}

template <class T>
void weight_gradient_product(MatrixView<const T> x, MatrixView<const T> delta, MatrixView<T> dw) {
  compute(ChainProduct<T>{x.data, 1, x.stride, x.rows, delta, dw});
}

/// Computed as dxᵀ = w · deltaᵀ, the same chains: delta and dx are smaller than w, so cheaper to transpose.
template <class T>
void input_gradient_product(MatrixView<const T> delta, MatrixView<const T> w, MatrixView<T> dx) {
  struct Deltas;
  struct Results;
  const MatrixView<T> delta_t(scratch<T, Deltas>(delta.rows * delta.columns), delta.columns, delta.rows);
  const MatrixView<T> dx_t(scratch<T, Results>(dx.rows * dx.columns), dx.columns, dx.rows);
  transpose(delta, delta_t);
  compute(ChainProduct<T>{w.data, w.stride, 1, w.columns, delta_t, dx_t});
  transpose(MatrixView<const T>(dx_t), dx);
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
