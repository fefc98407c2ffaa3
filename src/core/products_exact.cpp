#include <algorithm>
#include <cmath>
#include <type_traits>
#include <vector>

#include "lockstep/core/instruction_set.hpp"
#include "lockstep/core/summation_tree.hpp"
#include "products_backends.hpp"

/// Products whose every output element is the chain of fused multiply-adds over the inner index in ascending
/// order, starting from +0. Tiles keep many chains in registers at a time; none of them is reordered or
/// split, so neither the tile's size nor the vector width can change a bit.
namespace lockstep::exact {
namespace {

/// A matrix that is read with any strides: xᵀ is x with strides swapped.
template <class T>
struct Factor {
  const T* data;
  std::size_t row_stride, inner_stride;
};

/// How many chains are computed at a time: `rows` of `bytes` bytes. Tiles fill the registers of each
/// instruction set: two vectors wide, and as many rows as leave room for the factors.
template <InstructionSet Set>
struct Tile;
template <>
struct Tile<InstructionSet::avx512> {
  static constexpr std::size_t rows = 8, bytes = 128;
};
template <>
struct Tile<InstructionSet::avx2> {
  static constexpr std::size_t rows = 6, bytes = 64;
};
template <>
struct Tile<InstructionSet::baseline> {
  static constexpr std::size_t rows = 8, bytes = 32;
};
constexpr std::size_t most_rows = 8, most_bytes = 128;

/// Scratch of one call, kept from call to call.
template <class T, class Purpose>
T* scratch(std::size_t size) {
  thread_local std::vector<T> buffer;
  if (buffer.size() < size) buffer.resize(size);
  return buffer.data();
}

/// `Rows` × `Columns` chains of `inner` links each, in registers. The pragmas (-fopenmp-simd) make the
/// compiler turn the loops over j into vectors rather than unroll them; neither reorders anything.
template <std::size_t Rows, std::size_t Columns, class T>
struct Chains {
  T sums[Rows][Columns] = {};

  [[gnu::always_inline]] void compute(Factor<T> a, std::size_t inner, const T* b, std::size_t b_stride) {
    for (std::size_t k = 0; k < inner; ++k) {
      for (std::size_t i = 0; i < Rows; ++i) {
        const T factor = a.data[i * a.row_stride];
#pragma omp simd
        for (std::size_t j = 0; j < Columns; ++j) sums[i][j] = std::fma(factor, b[j], sums[i][j]);
      }
      a.data += a.inner_stride;
      b += b_stride;
    }
  }

  /// tile: (Rows, Columns)
  [[gnu::always_inline]] void add(const T* tile) {
    for (std::size_t i = 0; i < Rows; ++i) {
#pragma omp simd
      for (std::size_t j = 0; j < Columns; ++j) sums[i][j] += tile[i * Columns + j];
    }
  }

  /// The first `columns` of every row to z.
  [[gnu::always_inline]] void store(std::size_t columns, T* z, std::size_t stride) const {
    if (columns == Columns) {
      for (std::size_t i = 0; i < Rows; ++i) {
#pragma omp simd
        for (std::size_t j = 0; j < Columns; ++j) z[i * stride + j] = sums[i][j];
      }
    } else {
      for (std::size_t i = 0; i < Rows; ++i) {
        for (std::size_t j = 0; j < columns; ++j) z[i * stride + j] = sums[i][j];
      }
    }
  }
};

/// Some columns of b: (inner, columns), in a tile's width, filled up with zeros.
template <class T>
struct Strip {
  std::size_t column, columns;
  const T* data;
  std::size_t stride;
};

/// The strip of b from `column` on. It is copied to `packed`, row after row, where it is narrower than a
/// tile, and where many tiles read it: rows far apart would drive each other out of the cache.
template <std::size_t Columns, class T>
[[gnu::always_inline]] inline Strip<T> strip_of(MatrixView<const T> b, std::size_t column, bool read_often,
                                                T* packed) {
  const std::size_t columns = std::min(Columns, b.columns - column);
  if (columns == Columns && !read_often) return {column, columns, b.data + column, b.stride};
  for (std::size_t k = 0; k < b.rows; ++k) {
    const T* const from = b.row(k) + column;
    T* const to = packed + k * Columns;
    if (columns == Columns) {
      for (std::size_t j = 0; j < Columns; ++j) to[j] = from[j];
    } else {
      for (std::size_t j = 0; j < Columns; ++j) to[j] = j < columns ? from[j] : T(0);
    }
  }
  return {column, columns, packed, Columns};
}

/// z = a · b.   a: (z.rows, inner), b: (inner, z.columns)
template <class T>
struct Product {
  Factor<T> a;
  MatrixView<const T> b;
  MatrixView<T> z;
  T* packed;

  template <std::size_t Rows, std::size_t Columns>
  [[gnu::always_inline]] void compute_tile(std::size_t row, const Strip<T>& strip) const {
    Chains<Rows, Columns, T> chains;
    chains.compute({a.data + row * a.row_stride, a.row_stride, a.inner_stride}, b.rows, strip.data,
                   strip.stride);
    chains.store(strip.columns, z.row(row) + strip.column, z.stride);
  }
};

/// z = Σ aᵀ · b over the tree of micro-batches, which is added up tile by tile, while a tile is in the
/// nearest cache.   a: (rows, z.rows), b: (rows, z.columns)
template <class T>
struct WeightGradient {
  MatrixView<const T> a, b;
  MicroBatches micro_batches;
  MatrixView<T> z;
  T* packed;
  T* levels;  // tiles of the tree's levels

  template <std::size_t Rows, std::size_t Columns>
  [[gnu::always_inline]] void compute_tile(std::size_t row, const Strip<T>& strip) const {
    sum_in_tree_order(micro_batches.size(), [&](std::size_t i, std::size_t level, std::size_t additions) {
      const Range of = micro_batches[i];
      Chains<Rows, Columns, T> chains;
      chains.compute({a.row(of.begin) + row, 1, a.stride}, of.size(), strip.data + of.begin * strip.stride,
                     strip.stride);
      for (; additions > 0; --additions) chains.add(levels + --level * Rows * Columns);
      if (i + 1 == micro_batches.size()) {
        chains.store(strip.columns, z.row(row) + strip.column, z.stride);
      } else {
        chains.store(Columns, levels + level * Rows * Columns, Columns);
      }
    });
  }
};

template <std::size_t Rows, std::size_t Columns, class Task>
[[gnu::always_inline]] inline void compute_strip(const Task& task, std::size_t column) {
  const auto strip = strip_of<Columns>(task.b, column, task.z.rows > 4 * Rows, task.packed);
  std::size_t row = 0;
  for (; row + Rows <= task.z.rows; row += Rows) task.template compute_tile<Rows, Columns>(row, strip);
  for (; row + Rows / 2 <= task.z.rows; row += Rows / 2)
    task.template compute_tile<Rows / 2, Columns>(row, strip);
  for (; row < task.z.rows; ++row) task.template compute_tile<1, Columns>(row, strip);
}

/// All of z in tiles; at the right edge half as wide if that is enough.
template <std::size_t Rows, std::size_t Columns, class Task>
[[gnu::always_inline]] inline void compute_in_tiles(const Task& task) {
  std::size_t column = 0;
  for (; column + Columns / 2 < task.z.columns; column += Columns) compute_strip<Rows, Columns>(task, column);
  if (column < task.z.columns) compute_strip<Rows, Columns / 2>(task, column);
}

template <class Task>
void compute(const Task& task) {
  using T = std::remove_pointer_t<decltype(task.packed)>;
  run_vectorized([&](auto set) {
    using Shape = Tile<decltype(set)::value>;
    static_assert(Shape::rows <= most_rows && Shape::bytes <= most_bytes);
    compute_in_tiles<Shape::rows, Shape::bytes / sizeof(T)>(task);
  });
}

/// Room for a strip of b.
template <class T>
T* packed_strip(MatrixView<const T> b) {
  struct Packed;
  return scratch<T, Packed>(b.rows * most_bytes / sizeof(T));
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
  compute(Product<T>{{x.data, x.stride, 1}, w, z, packed_strip(w)});
}

template <class T>
void weight_gradient_product(MatrixView<const T> x, MatrixView<const T> delta, MicroBatches micro_batches,
                             MatrixView<T> dw) {
  struct Levels;
  T* const levels =
      scratch<T, Levels>(tree_levels(micro_batches.size()) * most_rows * most_bytes / sizeof(T));
  compute(WeightGradient<T>{x, delta, micro_batches, dw, packed_strip(delta), levels});
}

/// Computed as dx = delta · (wᵀ) or as dxᵀ = w · (deltaᵀ), the same chains, whichever needs fewer elements
/// transposed.
template <class T>
void input_gradient_product(MatrixView<const T> delta, MatrixView<const T> w, MatrixView<T> dx) {
  struct Transposed;
  struct Results;
  if (w.rows * w.columns <= delta.rows * (w.rows + w.columns)) {
    const MatrixView<T> w_t(scratch<T, Transposed>(w.rows * w.columns), w.columns, w.rows);
    transpose(w, w_t);
    return forward_product<T>(delta, w_t, dx);
  }
  const MatrixView<T> delta_t(scratch<T, Transposed>(delta.rows * delta.columns), delta.columns, delta.rows);
  const MatrixView<T> dx_t(scratch<T, Results>(dx.rows * dx.columns), dx.columns, dx.rows);
  transpose(delta, delta_t);
  forward_product<T>(w, delta_t, dx_t);
  transpose<T>(dx_t, dx);
}

template void forward_product<float>(MatrixView<const float>, MatrixView<const float>, MatrixView<float>);
template void forward_product<double>(MatrixView<const double>, MatrixView<const double>, MatrixView<double>);
template void weight_gradient_product<float>(MatrixView<const float>, MatrixView<const float>, MicroBatches,
                                             MatrixView<float>);
template void weight_gradient_product<double>(MatrixView<const double>, MatrixView<const double>,
                                              MicroBatches, MatrixView<double>);
template void input_gradient_product<float>(MatrixView<const float>, MatrixView<const float>,
                                            MatrixView<float>);
template void input_gradient_product<double>(MatrixView<const double>, MatrixView<const double>,
                                             MatrixView<double>);

}  // namespace lockstep::exact
