#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <span>
#include <type_traits>
#include <utility>

#include "lockstep/core/instruction_set.hpp"
#include "lockstep/core/summation_tree.hpp"
#include "products_backends.hpp"
#include "vectors.hpp"

/// The exact products of rows with many zeros, which leave out the zeros: fma(0, w, sum) is sum, bit for bit,
/// unless w is not finite or sum is −0. Where that may be, they take the dense way.
namespace lockstep::exact {
namespace {

template <class T>
using BitsOf = std::conditional_t<sizeof(T) == sizeof(float), std::uint32_t, std::uint64_t>;

/// The bits of the largest and of the smallest magnitude, which are fast to compare. Zeros do not count.
template <class T>
struct Magnitudes {
  using Bits = BitsOf<T>;
  Bits largest = 0, smallest_minus_1 = ~Bits{0};  // zero minus 1 is the largest number of all

  [[gnu::always_inline]] void look_at(T number) {
    const Bits magnitude = std::bit_cast<Bits>(number) & (~Bits{0} >> 1);
    largest = std::max(largest, magnitude);
    smallest_minus_1 = std::min<Bits>(smallest_minus_1, magnitude - 1);
  }

  /// No number is NaN or infinite.
  bool finite() const { return largest <= std::bit_cast<Bits>(std::numeric_limits<T>::max()); }
  /// Every number is 0, or finite and not below the floor: no sum of their products with the elements of a
  /// NonZeroIndex can become −0.
  bool regular() const {
    return finite() && smallest_minus_1 >= std::bit_cast<Bits>(NonZeroIndex::exact_product_floor<T>) - 1;
  }
};

/// Copies the first columns of rows, of which there are so many, to `to`, (rows, Columns), filled up with
/// zeros at the right edge. row_at(k): where row k begins. Returns their magnitudes.
template <std::size_t Columns, class T, class RowAt>
[[gnu::always_inline]] inline Magnitudes<T> copy_strip_and_look(std::size_t rows, std::size_t all_columns,
                                                                RowAt row_at, T* to) {
  const std::size_t columns = std::min(Columns, all_columns);
  Magnitudes<T> found;
  for (std::size_t k = 0; k < rows; ++k, to += Columns) {
    const T* const row = row_at(k);
    prefetch<Columns>(row_at(std::min(k + prefetched_rows, rows - 1)));
    if (columns < Columns) std::fill_n(to, Columns, T(0));
    const auto copy = [&](std::size_t j) {
      found.look_at(row[j]);
      to[j] = row[j];
    };
    if (columns == Columns) {
      for (std::size_t j = 0; j < Columns; ++j) copy(j);
    } else {
      for (std::size_t j = 0; j < columns; ++j) copy(j);
    }
  }
  return found;
}

// ---- Forward. w's rows are taken in blocks, of columns too, that stay in the nearest cache; but not those
// of columns of x without any non-zero, as pictures have them at their borders.
//
// A sum with skipped zeros is that with added ones, or both are zeros: adding fma(0, w, ·) with a finite w
// can only turn −0 into +0. So it is enough to look at w, and for −0 at the end.

constexpr std::size_t forward_vectors = 8, block_bytes = 28 * 1024;
/// Rows of w in a block, which the widest strips fill: x is laid out once for all strips.
template <std::size_t Bytes>
constexpr std::size_t block_rows = block_bytes / (forward_vectors * Bytes);

/// Columns that have a non-zero in any row.
struct UsedColumns {
  std::span<const std::uint32_t> columns;  // ascending
  const std::uint32_t* places;             // (all columns, and the end) used ones before each

  bool contains(std::size_t column) const { return places[column] < places[column + 1]; }
};

template <class T>
UsedColumns used_columns(const SparseRows<T>& x) {
  struct Columns;
  struct Places;
  std::uint32_t* const columns = scratch<std::uint32_t, Columns>(x.x.columns + 1);
  std::uint32_t* const places = scratch<std::uint32_t, Places>(x.x.columns + 1);
  std::fill_n(places, x.x.columns + 1, 0U);
  for (std::size_t i = 0; i < x.x.rows; ++i) {
    for (const std::uint16_t column : x.nonzero[i]) places[column] = 1;
  }
  std::uint32_t count = 0;
  for (std::size_t k = 0; k <= x.x.columns; ++k) {
    columns[count] = static_cast<std::uint32_t>(k);
    count += std::exchange(places[k], count);
  }
  return {{columns, count}, places};
}

/// The non-zeros of some rows, in the order in which they are needed: block after block of used columns, in
/// each row after row.
template <class T>
struct BlockedNonZeros {
  std::size_t rows;
  std::size_t* starts;   // (blocks, rows), and the end
  std::uint8_t* places;  // of each non-zero's column in its block
  T* values;

  Range of(std::size_t block, std::size_t row) const {
    const std::size_t* const start = starts + block * rows + row;
    return {start[0], start[1]};
  }
};

/// In blocks of so many used columns.
template <std::size_t BlockColumns, class T>
[[gnu::always_inline]] inline BlockedNonZeros<T> in_blocks(const SparseRows<T>& x, const UsedColumns& used) {
  static_assert(BlockColumns <= std::numeric_limits<std::uint8_t>::max() + 1);
  struct Starts;
  struct Places;
  struct Values;
  struct Cursors;
  const std::size_t rows = x.x.rows, blocks = (used.columns.size() + BlockColumns - 1) / BlockColumns;
  std::size_t all = 0;
  for (std::size_t i = 0; i < rows; ++i) all += x.nonzero[i].size();
  const BlockedNonZeros<T> result{rows, scratch<std::size_t, Starts>(blocks * rows + 1),
                                  scratch<std::uint8_t, Places>(all), scratch<T, Values>(all)};
  std::uint32_t* const cursors = scratch<std::uint32_t, Cursors>(rows);  // non-zeros of the blocks before
  std::fill_n(cursors, rows, 0U);
  std::size_t count = 0;
  std::size_t* start = result.starts;
  for (std::size_t first = 0; first < used.columns.size(); first += BlockColumns) {
    const std::size_t next = first + BlockColumns;
    const std::size_t end = next < used.columns.size() ? used.columns[next] : x.x.columns;
    for (std::size_t i = 0; i < rows; ++i) {
      const T* const row = x.x.row(i);
      const NonZeroColumns nonzero = x.nonzero[i];
      *start++ = count;
      std::size_t n = cursors[i];
      for (; n < nonzero.size() && nonzero[n] < end; ++n, ++count) {
        result.places[count] = static_cast<std::uint8_t>(used.places[nonzero[n]] - first);
        result.values[count] = row[nonzero[n]];
      }
      cursors[i] = static_cast<std::uint32_t>(n);
    }
  }
  *start = count;
  return result;
}

template <class T>
struct ForwardTask {
  BlockedNonZeros<T> x;
  std::span<const std::uint32_t> used;  // rows of w
  MatrixView<const T> w;
  MatrixView<T> z;
  T* packed;     // (block_rows, columns of a strip)
  T* sums;       // (rows, columns of a strip)
  bool* finite;  // becomes false where w is not

  /// Rows of w that belong to a block.
  template <std::size_t Bytes>
  std::span<const std::uint32_t> rows_of(std::size_t block) const {
    const std::size_t first = std::min(block * block_rows<Bytes>, used.size());
    return used.subspan(first, std::min(block_rows<Bytes>, used.size() - first));
  }

  /// next, next_column: what is copied after this block; meanwhile it is asked for.
  template <class Row>
  [[gnu::always_inline]] void compute_block(std::size_t block, std::span<const std::uint32_t> next,
                                            std::size_t next_column) const {
    std::size_t asked = 0, due = 0;
    for (std::size_t i = 0; i < z.rows; ++i) {
      for (due += next.size(); due >= z.rows; due -= z.rows, ++asked) {
        prefetch<Row::columns>(w.row(next[asked]) + next_column);
      }
      Row chains;
      if (block > 0) chains.load_from(sums + i * Row::columns, Row::columns);
      const Range nonzeros = x.of(block, i);
      for (std::size_t n = nonzeros.begin; n < nonzeros.end; ++n) {
        chains.multiply_add(x.values + n, 1, packed + x.places[n] * Row::columns);
      }
      chains.store_to(sums + i * Row::columns, Row::columns);
    }
  }

  template <std::size_t Vectors, std::size_t Bytes>
  [[gnu::always_inline]] void compute_strip(std::size_t column) const {
    using Row = Chains<1, Vectors, Bytes, T>;
    if (used.empty()) std::fill_n(sums, z.rows * Row::columns, T(0));
    for (std::size_t block = 0; block * block_rows<Bytes> < used.size(); ++block) {
      const std::span<const std::uint32_t> rows = rows_of<Bytes>(block);
      const auto row_at = [&](std::size_t k) { return w.row(rows[k]) + column; };
      *finite &= copy_strip_and_look<Row::columns>(rows.size(), w.columns - column, row_at, packed).finite();
      const std::span<const std::uint32_t> next = rows_of<Bytes>(block + 1);
      if (!next.empty())
        compute_block<Row>(block, next, column);
      else
        compute_block<Row>(block, column + Row::columns < w.columns ? rows_of<Bytes>(0) : next,
                           column + Row::columns);
    }
    const std::size_t columns = std::min(Row::columns, z.columns - column);
    for (std::size_t i = 0; i < z.rows; ++i) {
      for (std::size_t j = 0; j < columns; ++j) z(i, column + j) = sums[i * Row::columns + j];
    }
  }
};

/// Whether all rows of w are finite that belong to columns which are not used.
template <class T>
[[gnu::always_inline]] inline bool unused_rows_finite(MatrixView<const T> w, const UsedColumns& used) {
  Magnitudes<T> found;
  for (std::size_t k = 0; k < w.rows; ++k) {
    if (used.contains(k)) continue;
    for (std::size_t j = 0; j < w.columns; ++j) found.look_at(w(k, j));
  }
  return found.finite();
}

/// Whether any number is −0.
template <class T>
bool has_negative_zero(MatrixView<const T> matrix) {
  using Bits = BitsOf<T>;
  bool found = false;
  run_vectorized([&](auto) {
    Bits smallest = ~Bits{0};
    for (std::size_t i = 0; i < matrix.rows; ++i) {
      const T* const row = matrix.row(i);
      for (std::size_t j = 0; j < matrix.columns; ++j) {
        smallest = std::min(smallest, std::bit_cast<Bits>(row[j]) ^ std::bit_cast<Bits>(T(-0.0)));
      }
    }
    found = smallest == 0;
  });
  return found;
}

// ---- Weight gradient. Neighbouring inputs (columns of x) are computed together, leaving out the rows where
// all of them are zero: neighbouring pixels often are. Where the others stand is written down once, for all
// strips of columns.

/// Sums of two inputs, of so many vectors each, fit into 16 registers; of four into AVX-512's 32.
constexpr std::size_t gradient_vectors = 4;
template <std::size_t Bytes>
constexpr std::size_t gradient_inputs = Bytes == vector_bytes<InstructionSet::avx512> ? 4 : 2;

using RowBits = std::uint32_t;
constexpr std::size_t rows_per_word = 32;

/// x without the places where `Inputs` neighbouring numbers of a row are zero. Groups of so many columns
/// follow each other, in each the micro-batches, in each its rows, ascending.
template <class T, std::size_t Inputs>
struct NonZeroPlaces {
  std::size_t micro_batches;
  std::size_t* starts;  // (groups, micro-batches), and the end
  std::uint32_t* rows;  // of each place
  T* factors;           // (places, Inputs), filled up with zeros at the right edge

  Range of(std::size_t group, std::size_t micro_batch) const {
    const std::size_t* const start = starts + group * micro_batches + micro_batch;
    return {start[0], start[1]};
  }
  bool none_in(std::size_t group) const {
    const std::size_t* const start = starts + group * micro_batches;
    return start[0] == start[micro_batches];
  }
};

/// Where x is not zero: bits[w][k] has bit i set for row 32 w + i and column k.
struct NonZeroBits {
  std::size_t words, columns;
  RowBits* bits;  // (words, columns)

  /// Of `inputs` columns from k on: the rows where any of them is not zero.
  RowBits of_group(std::size_t word, std::size_t k, std::size_t inputs) const {
    RowBits some = 0;
    for (std::size_t i = k; i < std::min(k + inputs, columns); ++i) some |= bits[word * columns + i];
    return some;
  }
};

template <class T>
[[gnu::always_inline]] inline NonZeroBits find_bits(MatrixView<const T> x) {
  struct Bits;
  const std::size_t words = (x.rows + rows_per_word - 1) / rows_per_word;
  const NonZeroBits found{words, x.columns, scratch<RowBits, Bits>(words * x.columns)};
  RowBits* bits = found.bits;
  for (std::size_t first = 0; first < x.rows; first += rows_per_word, bits += x.columns) {
    std::fill_n(bits, x.columns, RowBits{0});
    for (std::size_t i = 0; i < std::min(rows_per_word, x.rows - first); ++i) {
      const T* const row = x.row(first + i);
      const RowBits bit = RowBits{1} << i;
      for (std::size_t k = 0; k < x.columns; ++k) bits[k] |= row[k] != T(0) ? bit : RowBits{0};
    }
  }
  return found;
}

/// `micro_batches` follow each other and have all rows of x.
template <std::size_t Inputs, class T>
[[gnu::always_inline]] inline NonZeroPlaces<T, Inputs> find_places(MatrixView<const T> x,
                                                                   MicroBatches micro_batches) {
  struct Starts;
  struct PlaceRows;
  struct Factors;
  const std::size_t groups = (x.columns + Inputs - 1) / Inputs;
  const NonZeroBits bits = find_bits(x);
  std::size_t all = 0;
  for (std::size_t word = 0; word < bits.words; ++word) {
    for (std::size_t k = 0; k < x.columns; k += Inputs) {
      all += static_cast<std::size_t>(std::popcount(bits.of_group(word, k, Inputs)));
    }
  }
  const NonZeroPlaces<T, Inputs> places{
      micro_batches.size(), scratch<std::size_t, Starts>(groups * micro_batches.size() + 1),
      scratch<std::uint32_t, PlaceRows>(all), scratch<T, Factors>(all * Inputs)};
  std::size_t count = 0;
  std::size_t* start = places.starts;
  for (std::size_t k = 0; k < x.columns; k += Inputs) {
    const std::size_t inputs = std::min(Inputs, x.columns - k);
    std::size_t batch = 0;
    for (std::size_t word = 0; word < bits.words; ++word) {
      const std::size_t first = word * rows_per_word;
      RowBits rest = bits.of_group(word, k, Inputs);
      for (; batch < micro_batches.size() && micro_batches[batch].begin < first + rows_per_word; ++batch) {
        const RowBits before = (RowBits{1} << (micro_batches[batch].begin - first)) - 1;
        *start++ = count + static_cast<std::size_t>(std::popcount(rest & before));
      }
      for (; rest != 0; rest &= rest - 1, ++count) {
        const std::size_t row = first + static_cast<std::size_t>(std::countr_zero(rest));
        places.rows[count] = static_cast<std::uint32_t>(row);
        const T* const from = x.row(row) + k;
        T* const to = places.factors + count * Inputs;
        for (std::size_t i = 0; i < Inputs; ++i) to[i] = i < inputs ? from[i] : T(0);
      }
    }
    for (; batch < micro_batches.size(); ++batch) *start++ = count;  // empty ones at the end
  }
  *start = count;
  return places;
}

template <class T, std::size_t Inputs>
struct GradientTask {
  MatrixView<const T> x, delta;
  MicroBatches micro_batches;
  MatrixView<T> dw;
  NonZeroPlaces<T, Inputs> places;
  T* packed;  // (rows, columns of a strip)
  T* levels;  // (tree levels, inputs, columns of a strip)

  /// Micro-batches without rows to add are left out of the tree: +0 changes no sum but −0.
  template <class Tile>
  [[gnu::always_inline]] void compute_group(std::size_t group, std::size_t column) const {
    constexpr std::size_t tile_size = Inputs * Tile::columns;
    if (places.none_in(group)) return store_rows(Tile(), group * Inputs, column);
    std::uint64_t waiting = 0;  // bit l: levels[l] holds a sum, not nothing
    sum_in_tree_order(micro_batches.size(), [&](std::size_t batch, std::size_t level, std::size_t additions) {
      Tile chains;
      const Range here = places.of(group, batch);
      for (std::size_t n = here.begin; n < here.end; ++n) {
        chains.multiply_add(places.factors + n * Inputs, 1, packed + places.rows[n] * Tile::columns);
      }
      bool some = !here.empty();
      for (; additions > 0; --additions) {
        --level;
        if ((waiting >> level & 1) == 0) continue;
        chains.add(levels + level * tile_size);
        some = true;
      }
      if (batch + 1 == micro_batches.size()) {
        store_rows(chains, group * Inputs, column);
      } else if (some) {
        chains.store_to(levels + level * tile_size, Tile::columns);
        waiting |= std::uint64_t{1} << level;
      } else {
        waiting &= ~(std::uint64_t{1} << level);
      }
    });
  }

  template <class Tile>
  [[gnu::always_inline]] void store_rows(const Tile& chains, std::size_t k, std::size_t column) const {
    const std::size_t columns = std::min(Tile::columns, dw.columns - column);
    if (k + Inputs <= dw.rows) return chains.store_some_to(columns, dw.row(k) + column, dw.stride);
    T tile[Inputs * Tile::columns];
    chains.store_to(tile, Tile::columns);
    for (std::size_t i = 0; k + i < dw.rows; ++i) {
      std::copy_n(tile + i * Tile::columns, columns, dw.row(k + i) + column);
    }
  }

  template <std::size_t Vectors, std::size_t Bytes>
  [[gnu::always_inline]] void compute_strip(std::size_t column) const {
    using Tile = Chains<Inputs, Vectors, Bytes, T>;
    const auto row_at = [&](std::size_t i) { return delta.row(i) + column; };
    if (!copy_strip_and_look<Tile::columns>(delta.rows, delta.columns - column, row_at, packed).regular()) {
      const std::size_t columns = std::min(Tile::columns, dw.columns - column);
      return weight_gradient_product<T>(x, {delta.data + column, delta.rows, columns, delta.stride},
                                        micro_batches, {dw.data + column, dw.rows, columns, dw.stride});
    }
    for (std::size_t group = 0; group * Inputs < x.columns; ++group) compute_group<Tile>(group, column);
  }
};

/// All columns in strips of `Vectors`; at the right edge narrower ones where they are enough.
template <std::size_t Vectors, std::size_t Bytes, class T, class Task>
[[gnu::always_inline]] inline void for_strips(const Task& task, std::size_t column, std::size_t columns) {
  constexpr std::size_t lanes = Bytes / sizeof(T);
  if constexpr (Vectors > 1) {
    for (; column + Vectors / 2 * lanes < columns; column += Vectors * lanes) {
      task.template compute_strip<Vectors, Bytes>(column);
    }
    if (column < columns) for_strips<Vectors / 2, Bytes, T>(task, column, columns);
  } else {
    for (; column < columns; column += lanes) task.template compute_strip<1, Bytes>(column);
  }
}

template <std::size_t Vectors, class T>
constexpr std::size_t most_strip_columns = Vectors* vector_bytes<InstructionSet::avx512> / sizeof(T);

}  // namespace

template <class T>
void sparse_forward_product(const SparseRows<T>& x, MatrixView<const T> w, MatrixView<T> z) {
  constexpr std::size_t columns = most_strip_columns<forward_vectors, T>;
  struct Packed;
  struct Sums;
  const UsedColumns used = used_columns(x);
  bool finite = true;
  run_vectorized([&](auto set) {
    constexpr std::size_t bytes = vector_bytes<set>;
    finite = unused_rows_finite(w, used);
    const ForwardTask<T> task{in_blocks<block_rows<bytes>>(x, used),
                              used.columns,
                              w,
                              z,
                              scratch<T, Packed>(block_bytes / sizeof(T)),
                              scratch<T, Sums>(x.x.rows * columns),
                              &finite};
    for_strips<forward_vectors, bytes, T>(task, 0, z.columns);
  });
  if (!finite || has_negative_zero<T>(z)) forward_product(x.x, w, z);
}

template <class T>
void sparse_weight_gradient_product(MatrixView<const T> x, MatrixView<const T> delta,
                                    MicroBatches micro_batches, MatrixView<T> dw) {
  constexpr std::size_t columns = most_strip_columns<gradient_vectors, T>;
  struct Packed;
  struct Levels;
  run_vectorized([&](auto set) {
    constexpr std::size_t bytes = vector_bytes<set>, inputs = gradient_inputs<bytes>;
    const GradientTask<T, inputs> task{
        x,
        delta,
        micro_batches,
        dw,
        find_places<inputs>(x, micro_batches),
        scratch<T, Packed>(delta.rows * columns),
        scratch<T, Levels>(tree_levels(micro_batches.size()) * inputs * columns)};
    for_strips<gradient_vectors, bytes, T>(task, 0, dw.columns);
  });
}

template void sparse_forward_product(const SparseRows<float>&, MatrixView<const float>, MatrixView<float>);
template void sparse_forward_product(const SparseRows<double>&, MatrixView<const double>, MatrixView<double>);
template void sparse_weight_gradient_product(MatrixView<const float>, MatrixView<const float>, MicroBatches,
                                             MatrixView<float>);
template void sparse_weight_gradient_product(MatrixView<const double>, MatrixView<const double>, MicroBatches,
                                             MatrixView<double>);

}  // namespace lockstep::exact
