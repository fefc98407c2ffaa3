#include <algorithm>
#include <bit>

#include "lockstep/core/instruction_set.hpp"
#include "lockstep/core/partition.hpp"
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

/// What is taken at a time of the inner index: a strip of so many rows stays in the nearest cache. And of the
/// left factor: it stays in the next one, for all strips.
constexpr std::size_t most_inner = 256, left_bytes = 512 * 1024;

/// Contiguous parts of `count` things, of about the same size and at most `most` of them in each; one empty
/// part of none.
template <class Body>
void for_blocks(std::size_t count, std::size_t most, const Body& body) {
  const std::size_t blocks = std::max<std::size_t>((count + most - 1) / most, 1);
  for (std::size_t block = 0; block < blocks; ++block) body(block_partition(count, blocks, block));
}

/// How many rows, or columns, of `length` numbers may be taken of the left factor.
template <class T>
std::size_t most_of_left(std::size_t length) {
  return std::max<std::size_t>(left_bytes / sizeof(T) / std::max<std::size_t>(length, 1), most_rows);
}

/// Copies all whole tiles of the left factor, `rows` chains that are `row_step` apart and have `inner`
/// numbers `inner_step` apart, to `to`: (tiles, inner, Rows).
template <std::size_t Rows, class T>
[[gnu::always_inline]] inline void pack_left(const T* from, std::size_t row_step, std::size_t inner_step,
                                             std::size_t rows, std::size_t inner, T* to) {
  for (std::size_t row = 0; row + Rows <= rows; row += Rows, from += Rows * row_step) {
    const T* column = from;
    for (std::size_t k = 0; k < inner; ++k, to += Rows, column += inner_step) {
#pragma GCC unroll 16
      for (std::size_t i = 0; i < Rows; ++i) to[i] = column[i * row_step];
    }
  }
}

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

/// Some rows of b from `row` on, as the columns of a strip.   to: (b.columns, Columns), filled up with zeros
template <std::size_t Columns, std::size_t Bytes, class T>
[[gnu::always_inline]] inline void copy_transposed_strip(MatrixView<const T> b, std::size_t row, T* to) {
  using V = Vector<T, Bytes>;
  constexpr std::size_t lanes = Bytes / sizeof(T);
  const std::size_t rows = std::min(Columns, b.rows - row), whole = b.columns / lanes * lanes;
  for (std::size_t i0 = 0; i0 < Columns; i0 += lanes) {
    for (std::size_t k = 0; k < whole; k += lanes) {
      V square[lanes];
#pragma GCC unroll 16
      for (std::size_t i = 0; i < lanes; ++i) {
        square[i] = i0 + i < rows ? load<Bytes>(b.row(row + i0 + i) + k) : V{};
      }
      transpose_square(square);
#pragma GCC unroll 16
      for (std::size_t i = 0; i < lanes; ++i) store(square[i], to + (k + i) * Columns + i0);
    }
  }
  for (std::size_t k = whole; k < b.columns; ++k) {
    for (std::size_t i = 0; i < Columns; ++i) to[k * Columns + i] = i < rows ? b(row + i, k) : T(0);
  }
}

/// z = a · b, or a · bᵀ; or where it goes on, the chains in z are continued by it.   a: (z.rows, inner)
template <class T, bool IsTransposed>
struct Product {
  MatrixView<const T> a, b;
  MatrixView<T> z;
  bool goes_on;
  T* packed;
  T* packed_a;  // (z.rows / most_rows, inner, most_rows), where many strips read it; else nullptr

  template <std::size_t Rows>
  [[gnu::always_inline]] void prepare() const {
    if (packed_a != nullptr) pack_left<Rows>(a.data, a.stride, 1, a.rows, a.columns, packed_a);
  }

  template <std::size_t Columns, std::size_t Bytes>
  [[gnu::always_inline]] Strip<T> strip(std::size_t column, bool read_often) const {
    if constexpr (IsTransposed) {
      copy_transposed_strip<Columns, Bytes>(b, column, packed);
      return {column, std::min(Columns, b.rows - column), packed, Columns};
    } else {
      return strip_of<Columns>(b, column, read_often, packed);
    }
  }

  template <class Tile, bool IsWhole>
  [[gnu::always_inline]] void compute_tile(std::size_t row, const Strip<T>& strip) const {
    Tile chains;
    T* const to = z.row(row) + strip.column;
    if (goes_on) chains.load_some_from(strip.columns, to, z.stride);
    if (IsWhole && packed_a != nullptr) {
      chains.multiply_add(packed_a + row * a.columns, 1, Tile::rows, strip.data, strip.stride, a.columns);
    } else {
      chains.multiply_add(a.row(row), a.stride, 1, strip.data, strip.stride, a.columns);
    }
    chains.store_some_to(strip.columns, to, z.stride);
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
    if (packed_a != nullptr) pack_left<Rows>(a.data, 1, a.stride, z.rows, a.rows, packed_a);
  }

  template <std::size_t Columns, std::size_t>
  [[gnu::always_inline]] Strip<T> strip(std::size_t column, bool read_often) const {
    return strip_of<Columns>(b, column, read_often, packed);
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
      chains.multiply_add(columns + of.begin * step, 1, step, strip.data + of.begin * strip.stride,
                          strip.stride, of.size());
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
      task.template strip<Vectors * Bytes / sizeof(T), Bytes>(column, task.z.rows > 4 * Rows);
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
T* packed_strip(std::size_t inner) {
  struct Packed;
  return scratch<T, Packed>(inner * most_bytes / sizeof(T));
}

/// Room for what is taken of the left factor, if so many columns of z are worth it; else nullptr.
template <class T>
T* packed_left(std::size_t rows, std::size_t inner, std::size_t columns) {
  struct PackedLeft;
  return columns > 4 * most_bytes / sizeof(T) ? scratch<T, PackedLeft>(rows * inner) : nullptr;
}

/// z = a · b, or a · bᵀ.   a: (z.rows, inner)
template <bool IsTransposed, class T>
void multiply(MatrixView<const T> a, MatrixView<const T> b, MatrixView<T> z) {
  for_blocks(a.columns, most_inner, [&](Range inner) {
    const MatrixView<const T> b_block = IsTransposed ? b.columns_of(inner) : b.rows_of(inner);
    for_blocks(a.rows, most_of_left<T>(inner.size()), [&](Range rows) {
      compute<T>(Product<T, IsTransposed>{a.rows_of(rows).columns_of(inner), b_block, z.rows_of(rows),
                                          inner.begin > 0, packed_strip<T>(inner.size()),
                                          packed_left<T>(rows.size(), inner.size(), z.columns)});
    });
  });
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
  multiply</*IsTransposed=*/false>(x, w, z);
}

template <class T>
void weight_gradient_product(MatrixView<const T> x, MatrixView<const T> delta, MicroBatches micro_batches,
                             MatrixView<T> dw) {
  struct Levels;
  T* const levels =
      scratch<T, Levels>(tree_levels(micro_batches.size()) * most_rows * most_bytes / sizeof(T));
  for_blocks(dw.rows, most_of_left<T>(x.rows), [&](Range inputs) {
    compute<T>(WeightGradient<T>{x.columns_of(inputs), delta, micro_batches, dw.rows_of(inputs),
                                 packed_strip<T>(delta.rows), levels,
                                 packed_left<T>(inputs.size(), x.rows, dw.columns)});
  });
}

/// Computed as dx = delta · wᵀ or as dxᵀ = w · deltaᵀ, the same chains: where delta has many rows, it takes
/// less to transpose w strip by strip, else whichever needs fewer elements transposed.
template <class T>
void input_gradient_product(MatrixView<const T> delta, MatrixView<const T> w, MatrixView<T> dx) {
  constexpr std::size_t many_rows = 96;
  const bool is_w_smaller = w.rows * w.columns <= delta.rows * (w.rows + w.columns);
  if (delta.rows >= many_rows || is_w_smaller) return multiply</*IsTransposed=*/true>(delta, w, dx);
  struct Results;
  const MatrixView<T> dx_t(scratch<T, Results>(dx.rows * dx.columns), dx.columns, dx.rows);
  multiply</*IsTransposed=*/true>(w, delta, dx_t);
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
