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

/// How many chains are computed at a time, as many as fill the registers: rows, of so many vectors each.
template <InstructionSet Set>
constexpr std::size_t tile_rows = Set == InstructionSet::baseline ? 8 : 6;
template <InstructionSet Set>
constexpr std::size_t tile_vectors = Set == InstructionSet::avx512 ? 4 : 2;
constexpr std::size_t most_tile_row_bytes = 4 * vector_bytes<InstructionSet::avx512>;
constexpr std::size_t most_tile_bytes = 6 * most_tile_row_bytes;

/// What is taken at a time of the inner index, and of the right factor, which stays in the second-level cache
/// for all rows of the left one.
constexpr std::size_t most_inner = 256, block_bytes = 256 * 1024;

/// What is taken of the inputs of a weight gradient: their columns, packed, are to take no more memory.
constexpr std::size_t packed_bytes = 2 * 1024 * 1024, least_inputs = 48;

/// Contiguous parts of `count` things, of about the same size and at most `most` of them in each; one empty
/// part of none.
template <class Body>
void for_blocks(std::size_t count, std::size_t most, const Body& body) {
  const std::size_t blocks = std::max<std::size_t>((count + most - 1) / most, 1);
  for (std::size_t block = 0; block < blocks; ++block) body(block_partition(count, blocks, block));
}

/// Some columns of b, in strips of a tile's width.
template <class T>
struct Block {
  Range columns;
  const T* data;
  std::size_t stride, strip_step;  // from row to row of a strip, and from strip to strip
};

/// Whether b's rows, read again for each tile of so many rows of z, are to be copied to where they follow
/// each other: pages apart they would take an address translation each, and drive each other out of the
/// cache.
template <class T>
bool is_worth_packing(MatrixView<const T> b, std::size_t rows) {
  constexpr std::size_t page_bytes = 4096;
  return rows >= 32 && b.stride * sizeof(T) >= page_bytes;
}

/// The block of b's columns. `packed` takes the strips where copies are worth it, or the last one is narrower
/// than a tile: those are filled up with zeros.
template <std::size_t Columns, class T>
[[gnu::always_inline]] inline Block<T> block_of(MatrixView<const T> b, Range columns, std::size_t rows,
                                                T* packed) {
  if (columns.size() % Columns == 0 && !is_worth_packing(b, rows)) {
    return {columns, b.data + columns.begin, b.stride, Columns};
  }
  T* to = packed;
  for (std::size_t column = columns.begin; column < columns.end; column += Columns, to += b.rows * Columns) {
    copy_strip<Columns>(b, column, to);
  }
  return {columns, packed, Columns, b.rows * Columns};
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

  std::size_t inner() const { return a.columns; }

  template <std::size_t Columns, std::size_t Bytes>
  [[gnu::always_inline]] Block<T> block(Range columns) const {
    if constexpr (!IsTransposed) return block_of<Columns>(b, columns, z.rows, packed);
    T* to = packed;
    for (std::size_t row = columns.begin; row < columns.end; row += Columns, to += b.columns * Columns) {
      copy_transposed_strip<Columns, Bytes>(b, row, to);
    }
    return {columns, packed, Columns, b.columns * Columns};
  }

  template <class Tile, bool>
  [[gnu::always_inline]] void compute_tile(std::size_t row, const T* strip, std::size_t stride,
                                           Range columns) const {
    Tile chains;
    T* const to = z.row(row) + columns.begin;
    if (goes_on) chains.load_some_from(columns.size(), to, z.stride);
    chains.multiply_add(a.row(row), a.stride, 1, strip, stride, a.columns);
    chains.store_some_to(columns.size(), to, z.stride);
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
  T* levels;          // tiles of the tree's levels
  const T* packed_a;  // where many strips read a; else nullptr

  std::size_t inner() const { return b.rows; }

  template <std::size_t Columns, std::size_t>
  [[gnu::always_inline]] Block<T> block(Range columns) const {
    return block_of<Columns>(b, columns, z.rows, packed);
  }

  template <class Tile, bool IsHighest>
  [[gnu::always_inline]] void compute_tile(std::size_t row, const T* strip, std::size_t stride,
                                           Range columns) const {
    constexpr std::size_t tile_size = sizeof(Tile) / sizeof(T);
    const bool is_packed = IsHighest && packed_a != nullptr;
    const T* const factors = is_packed ? packed_a + row * a.rows : a.data + row;
    const std::size_t step = is_packed ? Tile::rows : a.stride;
    sum_in_tree_order(micro_batches.size(), [&](std::size_t batch, std::size_t level, std::size_t additions) {
      Tile chains;
      const Range of = micro_batches[batch];
      chains.multiply_add(factors + of.begin * step, 1, step, strip + of.begin * stride, stride, of.size());
      for (; additions > 0; --additions) chains.add(levels + --level * tile_size);
      if (batch + 1 == micro_batches.size()) {
        chains.store_some_to(columns.size(), z.row(row) + columns.begin, z.stride);
      } else {
        chains.store_to(levels + level * tile_size, Tile::columns);
      }
    });
  }
};

/// Rows of a block from `row` on: as many as may be at a time, then the rest by powers of two.
template <std::size_t Rows, bool IsHighest, std::size_t Vectors, std::size_t Bytes, class T, class Task>
[[gnu::always_inline]] inline void compute_rows(const Task& task, const Block<T>& block, std::size_t row) {
  using Tile = Chains<Rows, Vectors, Bytes, T>;
  for (; row + Rows <= task.z.rows; row += Rows) {
    const T* strip = block.data;
    for (std::size_t column = block.columns.begin; column < block.columns.end;
         column += Tile::columns, strip += block.strip_step) {
      task.template compute_tile<Tile, IsHighest>(
          row, strip, block.stride, {column, std::min(column + Tile::columns, block.columns.end)});
    }
  }
  if constexpr (Rows > 1) compute_rows<std::bit_floor(Rows - 1), false, Vectors, Bytes, T>(task, block, row);
}

/// Columns from `column` on in strips of so many vectors; at the right edge narrower ones where they are
/// enough, in tiles of twice as many rows.   IsHighest: not at the edge yet
template <std::size_t Rows, std::size_t Vectors, bool IsHighest, std::size_t Bytes, class T, class Task>
[[gnu::always_inline]] inline void compute_columns(const Task& task, std::size_t column) {
  constexpr std::size_t width = Vectors * Bytes / sizeof(T), enough = Vectors == 1 ? 0 : width / 2;
  const std::size_t most_strips =
      std::max<std::size_t>(block_bytes / sizeof(T) / width / std::max<std::size_t>(task.inner(), 1), 1);
  while (column + enough < task.z.columns) {
    const std::size_t rest = task.z.columns - column;
    const std::size_t strips = std::min(most_strips, rest / width + (rest % width > enough ? 1 : 0));
    const std::size_t end = std::min(column + strips * width, task.z.columns);
    compute_rows<Rows, IsHighest, Vectors, Bytes, T>(task, task.template block<width, Bytes>({column, end}),
                                                     0);
    column = end;
  }
  if constexpr (Vectors > 1)
    compute_columns<IsHighest ? 2 * Rows : Rows, Vectors / 2, false, Bytes, T>(task, column);
}

template <class T, class Task>
void compute(const Task& task) {
  run_vectorized([&](auto set) {
    static_assert(tile_rows<set> * tile_vectors<set> * vector_bytes<set> <= most_tile_bytes);
    compute_columns<tile_rows<set>, tile_vectors<set>, true, vector_bytes<set>, T>(task, 0);
  });
}

/// Room for a block of b.
template <class T>
T* packed_block(std::size_t inner) {
  struct Packed;
  return scratch<T, Packed>(std::max(block_bytes, inner * most_tile_row_bytes) / sizeof(T));
}

/// The columns of a in whole tiles of the highest kind, (tiles, a.rows, rows of a tile), if so many columns
/// of z are worth it; else nullptr. Numbers that a tile reads are far apart in a, and where that is a power
/// of two, they drive each other out of the cache.
template <class T>
const T* packed_columns(MatrixView<const T> a, std::size_t columns) {
  struct PackedColumns;
  if (columns <= 2 * most_tile_row_bytes / sizeof(T)) return nullptr;
  T* const packed = scratch<T, PackedColumns>(a.rows * a.columns);
  run_vectorized([=](auto set) {
    constexpr std::size_t tile = tile_rows<set>;
    T* to = packed;
    for (std::size_t column = 0; column + tile <= a.columns; column += tile) {
      for (std::size_t k = 0; k < a.rows; ++k, to += tile) {
#pragma GCC unroll 16
        for (std::size_t i = 0; i < tile; ++i) to[i] = a(k, column + i);
      }
    }
  });
  return packed;
}

/// z = a · b, or a · bᵀ.   a: (z.rows, inner)
template <bool IsTransposed, class T>
void multiply(MatrixView<const T> a, MatrixView<const T> b, MatrixView<T> z) {
  for_blocks(a.columns, most_inner, [&](Range inner) {
    const MatrixView<const T> b_block = IsTransposed ? b.columns_of(inner) : b.rows_of(inner);
    compute<T>(Product<T, IsTransposed>{a.columns_of(inner), b_block, z, inner.begin > 0,
                                        packed_block<T>(inner.size())});
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
  T* const levels = scratch<T, Levels>(tree_levels(micro_batches.size()) * most_tile_bytes / sizeof(T));
  const std::size_t most_inputs = packed_bytes / sizeof(T) / std::max<std::size_t>(x.rows, 1);
  for_blocks(dw.rows, std::max(most_inputs, least_inputs), [&](Range inputs) {
    const MatrixView<const T> some = x.columns_of(inputs);
    compute<T>(WeightGradient<T>{some, delta, micro_batches, dw.rows_of(inputs), packed_block<T>(delta.rows),
                                 levels, packed_columns(some, dw.columns)});
  });
}

/// Computed as dx = delta · wᵀ or as dxᵀ = w · deltaᵀ, the same chains, whichever needs fewer elements
/// transposed.
template <class T>
void input_gradient_product(MatrixView<const T> delta, MatrixView<const T> w, MatrixView<T> dx) {
  const bool is_w_smaller = w.rows * w.columns <= delta.rows * (w.rows + w.columns);
  if (is_w_smaller) return multiply</*IsTransposed=*/true>(delta, w, dx);
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
