#include <algorithm>
#include <bit>

#include "lockstep/core/instruction_set.hpp"
#include "lockstep/core/summation_tree.hpp"
#include "products_backends.hpp"
#include "vectors.hpp"

/// Products whose every output element is the chain of fused multiply-adds over the inner index in ascending
/// order, starting from +0. Tiles keep many chains in registers at a time; none of them is reordered or
/// split, so neither the tile's size nor the vector width can change a bit.
namespace lockstep::exact {
namespace {

/// How many rows of chains are computed at a time, of two vectors each: as many as fill the registers.
template <InstructionSet Set>
constexpr std::size_t tile_rows = Set == InstructionSet::avx2 ? 6 : 8;
constexpr std::size_t most_rows = 8, most_bytes = 2 * vector_bytes<InstructionSet::avx512>;

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
  copy_strip<Columns>(b, column, packed);
  return {column, columns, packed, Columns};
}

/// z = a · b.   a: (z.rows, inner), b: (inner, z.columns)
template <class T>
struct Product {
  MatrixView<const T> a, b;
  MatrixView<T> z;
  T* packed;

  template <std::size_t Rows>
  void prepare() const {}

  template <class Tile, bool IsWhole>
  [[gnu::always_inline]] void compute_tile(std::size_t row, const Strip<T>& strip) const {
    Tile chains;
    chains.template multiply_add<1>(a.row(row), a.stride, 1, strip.data, strip.stride, b.rows);
    chains.store_some_to(strip.columns, z.row(row) + strip.column, z.stride);
  }
};

/// z = Σ aᵀ · b over the tree of micro-batches, which is added up tile by tile, in registers and the nearest
/// cache.   a: (rows, z.rows), b: (rows, z.columns)
template <class T>
struct WeightGradient {
  MatrixView<const T> a, b;
  MicroBatches micro_batches;
  MatrixView<T> z;
  T* packed;
  T* levels;    // tiles of the tree's levels
  T* packed_a;  // (z.rows / most_rows, rows, most_rows), where many strips read it; else nullptr

  /// Columns of a that a tile reads are far apart in memory, and where that is a power of two, they drive
  /// each other out of the cache.
  template <std::size_t Rows>
  [[gnu::always_inline]] void prepare() const {
    if (packed_a == nullptr) return;
    T* to = packed_a;
    for (std::size_t row = 0; row + Rows <= z.rows; row += Rows) {
      for (std::size_t k = 0; k < a.rows; ++k, to += Rows) {
        const T* const from = a.row(k) + row;
        for (std::size_t i = 0; i < Rows; ++i) to[i] = from[i];
      }
    }
  }

  template <class Tile, bool IsWhole>
  [[gnu::always_inline]] void compute_tile(std::size_t row, const Strip<T>& strip) const {
    constexpr std::size_t tile_size = sizeof(Tile) / sizeof(T);
    const bool is_packed = IsWhole && packed_a != nullptr;
    const T* const columns = is_packed ? packed_a + row * a.rows : a.data + row;
    const std::size_t step = is_packed ? Tile::rows : a.stride;
    sum_in_tree_order(micro_batches.size(), [&](std::size_t batch, std::size_t level, std::size_t additions) {
      Tile chains;
      const Range of = micro_batches[batch];
      // The chains of a micro-batch are short: without unrolling, a mispredicted end costs a tenth.
      chains.template multiply_add<4>(columns + of.begin * step, 1, step,
                                      strip.data + of.begin * strip.stride, strip.stride, of.size());
      for (; additions > 0; --additions) chains.add(levels + --level * tile_size);
      if (batch + 1 == micro_batches.size()) {
        chains.store_some_to(strip.columns, z.row(row) + strip.column, z.stride);
      } else {
        chains.store_to(levels + level * tile_size, Tile::columns);
      }
    });
  }
};

/// Rows of a strip from `row` on: as many as may be at a time, then the rest by 4, 2 and 1, of which batches
/// and shards are often multiples.
template <std::size_t Rows, bool IsWhole, std::size_t Vectors, std::size_t Bytes, class T, class Task>
[[gnu::always_inline]] inline void compute_rows(const Task& task, const Strip<T>& strip, std::size_t row) {
  for (; row + Rows <= task.z.rows; row += Rows) {
    task.template compute_tile<Chains<Rows, Vectors, Bytes, T>, IsWhole>(row, strip);
  }
  if constexpr (Rows > 1) compute_rows<std::bit_floor(Rows - 1), false, Vectors, Bytes, T>(task, strip, row);
}

template <std::size_t Rows, std::size_t Vectors, std::size_t Bytes, class T, class Task>
[[gnu::always_inline]] inline void compute_strip(const Task& task, std::size_t column) {
  const Strip<T> strip =
      strip_of<Vectors * Bytes / sizeof(T)>(task.b, column, task.z.rows > 4 * Rows, task.packed);
  compute_rows<Rows, true, Vectors, Bytes, T>(task, strip, 0);
}

/// All of z in tiles; at the right edge half as wide if that is enough.
template <std::size_t Rows, std::size_t Bytes, class T, class Task>
[[gnu::always_inline]] inline void compute_in_tiles(const Task& task) {
  constexpr std::size_t lanes = Bytes / sizeof(T);
  task.template prepare<Rows>();
  std::size_t column = 0;
  for (; column + lanes < task.z.columns; column += 2 * lanes) {
    compute_strip<Rows, 2, Bytes, T>(task, column);
  }
  if (column < task.z.columns) compute_strip<Rows, 1, Bytes, T>(task, column);
}

template <class T, class Task>
void compute(const Task& task) {
  run_vectorized([&](auto set) {
    static_assert(tile_rows<set> <= most_rows);
    compute_in_tiles<tile_rows<set>, vector_bytes<set>, T>(task);
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
  run_vectorized([=](auto set) {
    using V = Vector<T, vector_bytes<set>>;
    constexpr std::size_t lanes = sizeof(V) / sizeof(T);
    const std::size_t whole_rows = from.rows / lanes * lanes, whole_columns = from.columns / lanes * lanes;
    for (std::size_t i0 = 0; i0 < whole_rows; i0 += lanes) {
      for (std::size_t j0 = 0; j0 < whole_columns; j0 += lanes) {
        V square[lanes];
#pragma GCC unroll 16
        for (std::size_t i = 0; i < lanes; ++i) square[i] = load<sizeof(V)>(from.row(i0 + i) + j0);
        transpose_square(square);
#pragma GCC unroll 16
        for (std::size_t j = 0; j < lanes; ++j) store(square[j], to.row(j0 + j) + i0);
      }
    }
    for (std::size_t i = 0; i < from.rows; ++i) {
      for (std::size_t j = i < whole_rows ? whole_columns : 0; j < from.columns; ++j) to(j, i) = from(i, j);
    }
  });
}

}  // namespace

template <class T>
void forward_product(MatrixView<const T> x, MatrixView<const T> w, MatrixView<T> z) {
  compute<T>(Product<T>{x, w, z, packed_strip(w)});
}

template <class T>
void weight_gradient_product(MatrixView<const T> x, MatrixView<const T> delta, MicroBatches micro_batches,
                             MatrixView<T> dw) {
  struct Levels;
  T* const levels =
      scratch<T, Levels>(tree_levels(micro_batches.size()) * most_rows * most_bytes / sizeof(T));
  struct PackedInputs;
  const bool read_often = dw.columns > 4 * most_bytes / sizeof(T);
  T* const packed_inputs = read_often ? scratch<T, PackedInputs>(x.rows * dw.rows) : nullptr;
  compute<T>(WeightGradient<T>{x, delta, micro_batches, dw, packed_strip(delta), levels, packed_inputs});
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
