#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <type_traits>
#include <utility>

#include "lockstep/core/checked_cast.hpp"
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

/// All elements of rows that leave out zeros: (rows, columns), in scratch memory.
template <class T>
MatrixView<const T> all_elements(const SparseRows<T>& x) {
  struct Elements;
  const MatrixView<T> all(scratch<T, Elements>(x.rows() * x.columns.size()), x.rows(), x.columns.size());
  std::fill_n(all.data, all.rows * all.columns, T(0));
  for (std::size_t i = 0; i < all.rows; ++i) {
    for (std::size_t n = 0; n < x.counts[i] * quad_columns; ++n) {
      const std::size_t column = x.quads(i, n / quad_columns) * quad_columns + n % quad_columns;
      if (x.columns.contains(column)) all(i, column - x.columns.begin) = x.values(i, n);
    }
  }
  return all;
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

/// The quads that any row has, and their columns.
struct UsedColumns {
  std::span<const std::uint32_t> columns;  // ascending
  const std::uint32_t* places;             // (quads, and the end) used columns before each

  bool contains(std::size_t column) const {
    return places[column / quad_columns] < places[column / quad_columns + 1];
  }
};

/// Of rows with all their columns.
template <class T>
UsedColumns used_columns(const SparseRows<T>& x) {
  struct Columns;
  struct Places;
  const std::size_t quads = x.quads.columns;
  std::uint32_t* const columns = scratch<std::uint32_t, Columns>(quads * quad_columns);
  std::uint32_t* const places = scratch<std::uint32_t, Places>(quads + 1);
  std::fill_n(places, quads + 1, 0U);
  for (std::size_t i = 0; i < x.rows(); ++i) {
    const std::uint16_t* const of_row = x.quads.row(i);
    for (std::size_t n = 0; n < x.counts[i]; ++n) places[of_row[n]] = 1;
  }
  std::uint32_t count = 0;
  for (std::size_t quad = 0; quad <= quads; ++quad) {
    if (std::exchange(places[quad], count) == 0) continue;
    const std::size_t begin = quad * quad_columns, end = std::min(begin + quad_columns, x.columns.size());
    for (std::size_t column = begin; column < end; ++column)
      columns[count++] = static_cast<std::uint32_t>(column);
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
[[gnu::noinline]] BlockedNonZeros<T> in_blocks(const SparseRows<T>& x, const UsedColumns& used) {
  static_assert(BlockColumns <= std::numeric_limits<std::uint8_t>::max() + 1);
  static_assert(BlockColumns % quad_columns == 0);
  struct Starts;
  struct Places;
  struct Values;
  struct Cursors;
  const std::size_t rows = x.rows(), blocks = (used.columns.size() + BlockColumns - 1) / BlockColumns;
  const std::size_t most = quad_columns * std::accumulate(x.counts, x.counts + rows, std::size_t{1});
  const BlockedNonZeros<T> result{rows, scratch<std::size_t, Starts>(blocks * rows + 1),
                                  scratch<std::uint8_t, Places>(most), scratch<T, Values>(most)};
  std::uint32_t* const cursors = scratch<std::uint32_t, Cursors>(rows);  // quads of the blocks before
  std::fill_n(cursors, rows, 0U);
  std::size_t count = 0;
  std::size_t* start = result.starts;
  for (std::size_t first = 0; first < used.columns.size(); first += BlockColumns) {
    const std::size_t next = first + BlockColumns;
    const std::size_t end = next < used.columns.size() ? used.columns[next] / quad_columns : x.quads.columns;
    for (std::size_t i = 0; i < rows; ++i) {
      const std::uint16_t* const quads = x.quads.row(i);
      const T* const values = x.values.row(i);
      *start++ = count;
      const std::size_t row_count = x.counts[i];
      std::size_t n = cursors[i];
      for (; n < row_count && quads[n] < end; ++n) {
        const std::size_t place = used.places[quads[n]] - first;
#pragma GCC unroll 4
        for (std::size_t k = 0; k < quad_columns; ++k) {  // without branches: which are zero is unpredictable
          const T value = values[n * quad_columns + k];
          result.places[count] = static_cast<std::uint8_t>(place + k);
          result.values[count] = value;
          count += std::bit_cast<BitsOf<T>>(value) != 0 ? 1 : 0;
        }
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
//
// Here, too, a sum with skipped zeros is that with added ones, or they are −0 and +0. The deltas of rows that
// a model is sure of are so small that their products round to −0; sums that stay so are computed again.

/// Sums of two inputs, of so many vectors each, fit into 16 registers; of four into AVX-512's 32.
constexpr std::size_t gradient_vectors = 4;
template <std::size_t Bytes>
constexpr std::size_t gradient_inputs = Bytes == vector_bytes<InstructionSet::avx512> ? 4 : 2;

/// The places where `Inputs` neighbouring numbers of a row of x are not all zero. Groups of so many columns
/// follow each other, in each the micro-batches, in each its rows, ascending.
template <class T, std::size_t Inputs>
struct NonZeroPlaces {
  Range columns;  // of all groups: whole quads
  std::size_t micro_batches;
  std::uint32_t* ends;  // (groups, micro-batches)
  std::uint32_t* rows;  // of each place
  T* factors;           // (places, Inputs)
  bool all_rows;        // no row is left out

  std::size_t groups() const { return columns.size() / Inputs; }
  Range of(std::size_t group, std::size_t micro_batch) const {
    const std::size_t part = group * micro_batches + micro_batch;
    return {part == 0 ? 0 : ends[part - 1], ends[part]};
  }
  bool none_in(std::size_t group) const { return of(group, 0).begin == of(group, micro_batches - 1).end; }
};

/// `micro_batches` follow each other and have all rows of x.
template <std::size_t Inputs, class T>
[[gnu::noinline]] NonZeroPlaces<T, Inputs> find_places(const SparseRows<T>& x, MicroBatches micro_batches) {
  struct RowQuads;
  struct Ends;
  struct PlaceRows;
  struct Factors;
  constexpr std::size_t groups_of_quad = quad_columns / Inputs;
  const Range quads{x.columns.begin / quad_columns, quads_of(x.columns.end)};
  const std::size_t parts = quads.size() * groups_of_quad * micro_batches.size();
  NonZeroPlaces<T, Inputs> found{{quads.begin * quad_columns, quads.end * quad_columns},
                                 micro_batches.size(),
                                 scratch<std::uint32_t, Ends>(parts),
                                 nullptr,
                                 nullptr,
                                 /*all_rows=*/false};
  Range* const row_quads = scratch<Range, RowQuads>(x.rows());  // those among the columns
  for (std::size_t row = 0; row < x.rows(); ++row) {
    const std::uint16_t* const all = x.quads.row(row);
    const auto before = [&](std::size_t quad) {
      return static_cast<std::size_t>(std::lower_bound(all, all + x.counts[row], quad) - all);
    };
    row_quads[row] = {before(quads.begin), before(quads.end)};
  }
  // body(row, its place's number in a part, the part, the numbers)
  const auto for_places = [&](const auto& body) {
    for (std::size_t batch = 0; batch < micro_batches.size(); ++batch) {
      for (std::size_t row = micro_batches[batch].begin; row < micro_batches[batch].end; ++row) {
        const std::uint16_t* const of_row = x.quads.row(row);
        const T* const values = x.values.row(row);
        for (std::size_t n = row_quads[row].begin; n < row_quads[row].end; ++n) {
          for (std::size_t i = 0; i < groups_of_quad; ++i) {
            const T* const numbers = values + n * quad_columns + i * Inputs;
            if (Inputs < quad_columns &&
                std::all_of(numbers, numbers + Inputs, [](T number) { return number == 0; }))
              continue;
            const std::size_t group = (of_row[n] - quads.begin) * groups_of_quad + i;
            body(row, group * micro_batches.size() + batch, numbers);
          }
        }
      }
    }
  };
  std::fill_n(found.ends, parts, 0U);
  for_places([&](std::size_t, std::size_t part, const T*) { ++found.ends[part]; });
  std::size_t count = 0;
  for (std::size_t part = 0; part < parts; ++part) {
    count += std::exchange(found.ends[part], static_cast<std::uint32_t>(count));
  }
  checked_cast<std::uint32_t>(count, "the number of places with non-zero elements");
  found.rows = scratch<std::uint32_t, PlaceRows>(count);
  found.factors = scratch<T, Factors>(count * Inputs);
  for_places([&](std::size_t row, std::size_t part, const T* numbers) {
    const std::size_t place = found.ends[part]++;  // from where the part begins to where it ends
    found.rows[place] = static_cast<std::uint32_t>(row);
    std::copy_n(numbers, Inputs, found.factors + place * Inputs);
  });
  return found;
}

/// All rows, as the places of a single group, whose factors are still to be written.
template <class T, std::size_t Inputs>
NonZeroPlaces<T, Inputs> all_places(std::size_t rows, MicroBatches micro_batches) {
  struct Ends;
  struct Rows;
  struct Factors;
  const NonZeroPlaces<T, Inputs> all{{0, Inputs},
                                     micro_batches.size(),
                                     scratch<std::uint32_t, Ends>(micro_batches.size()),
                                     scratch<std::uint32_t, Rows>(rows),
                                     scratch<T, Factors>(rows * Inputs),
                                     /*all_rows=*/true};
  for (std::size_t i = 0; i < micro_batches.size(); ++i)
    all.ends[i] = static_cast<std::uint32_t>(micro_batches[i].end);
  std::iota(all.rows, all.rows + rows, 0U);
  return all;
}

template <class T, std::size_t Inputs>
struct GradientTask {
  SparseRows<T> x;
  MatrixView<const T> delta;
  MicroBatches micro_batches;
  MatrixView<T> dw;
  NonZeroPlaces<T, Inputs> places;
  NonZeroPlaces<T, Inputs> all_rows;  // a single group, where nothing is left out; its factors are written
                                      // for the group in question
  T* packed;                          // (rows, columns of a strip)
  T* levels;                          // (tree levels, inputs, columns of a strip)

  /// Computes a group from the places of `source`'s group `place_group`. Micro-batches without any are left
  /// out of the tree, unless all rows are asked for: +0 changes no sum but −0.
  template <class Tile>
  [[gnu::always_inline]] void compute_group(const NonZeroPlaces<T, Inputs>& source, std::size_t place_group,
                                            std::size_t group, std::size_t column,
                                            bool* negative_zero) const {
    constexpr std::size_t tile_size = Inputs * Tile::columns;
    std::uint64_t waiting = 0;  // bit l: levels[l] holds a sum, not nothing
    sum_in_tree_order(micro_batches.size(), [&](std::size_t batch, std::size_t level, std::size_t additions) {
      Tile chains;
      const Range here = source.of(place_group, batch);
      for (std::size_t n = here.begin; n < here.end; ++n) {
        chains.multiply_add(source.factors + n * Inputs, 1, packed + source.rows[n] * Tile::columns);
      }
      bool some = source.all_rows || !here.empty();
      for (; additions > 0; --additions) {
        --level;
        if ((waiting >> level & 1) == 0) continue;
        chains.add(levels + level * tile_size);
        some = true;
      }
      if (batch + 1 == micro_batches.size()) {
        if (negative_zero != nullptr) *negative_zero = chains.has_negative_zero();
        store_rows(chains, group, column);
      } else if (some) {
        chains.store_to(levels + level * tile_size, Tile::columns);
        waiting |= std::uint64_t{1} << level;
      } else {
        waiting &= ~(std::uint64_t{1} << level);
      }
    });
  }

  /// Of the group's columns of x those that belong to it.
  template <class Tile>
  [[gnu::always_inline]] void store_rows(const Tile& chains, std::size_t group, std::size_t column) const {
    const std::size_t columns = std::min(Tile::columns, dw.columns - column);
    const std::size_t first = places.columns.begin + group * Inputs;
    if (first >= x.columns.begin && first + Inputs <= x.columns.end)
      return chains.store_some_to(columns, dw.row(first - x.columns.begin) + column, dw.stride);
    T tile[Inputs * Tile::columns];
    chains.store_to(tile, Tile::columns);
    for (std::size_t i = 0; i < Inputs; ++i) {
      if (x.columns.contains(first + i))
        std::copy_n(tile + i * Tile::columns, columns, dw.row(first + i - x.columns.begin) + column);
    }
  }

  template <std::size_t Vectors, std::size_t Bytes>
  [[gnu::always_inline]] void compute_strip(std::size_t column) const {
    using Tile = Chains<Inputs, Vectors, Bytes, T>;
    const auto row_at = [&](std::size_t i) { return delta.row(i) + column; };
    const Magnitudes<T> found =
        copy_strip_and_look<Tile::columns>(delta.rows, delta.columns - column, row_at, packed);
    if (!found.finite()) {
      const std::size_t columns = std::min(Tile::columns, dw.columns - column);
      return weight_gradient_product<T>(all_elements(x),
                                        {delta.data + column, delta.rows, columns, delta.stride},
                                        micro_batches, {dw.data + column, dw.rows, columns, dw.stride});
    }
    for (std::size_t group = 0; group < places.groups(); ++group) {
      if (places.none_in(group)) {
        store_rows(Tile(), group, column);
        continue;
      }
      bool negative_zero = false;
      compute_group<Tile>(places, group, group, column, found.regular() ? nullptr : &negative_zero);
      if (!negative_zero) continue;
      write_all_factors(group);
      compute_group<Tile>(all_rows, 0, group, column, nullptr);
    }
  }

  void write_all_factors(std::size_t group) const {
    std::fill_n(all_rows.factors, x.rows() * Inputs, T(0));
    const std::size_t end = places.of(group, micro_batches.size() - 1).end;
    for (std::size_t n = places.of(group, 0).begin; n < end; ++n)
      std::copy_n(places.factors + n * Inputs, Inputs, all_rows.factors + places.rows[n] * Inputs);
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
void sparse_forward_product(const SparseRows<T>& x, MatrixView<const T> w, MatrixView<T> z, bool is_finite) {
  constexpr std::size_t columns = most_strip_columns<forward_vectors, T>;
  struct Packed;
  struct Sums;
  const UsedColumns used = used_columns(x);
  run_vectorized([&](auto set) {
    constexpr std::size_t bytes = vector_bytes<set>;
    is_finite = is_finite || unused_rows_finite(w, used);
    const ForwardTask<T> task{in_blocks<block_rows<bytes>>(x, used),
                              used.columns,
                              w,
                              z,
                              scratch<T, Packed>(block_bytes / sizeof(T)),
                              scratch<T, Sums>(x.rows() * columns),
                              &is_finite};
    for_strips<forward_vectors, bytes, T>(task, 0, z.columns);
  });
  if (!is_finite || has_negative_zero<T>(z)) forward_product(all_elements(x), w, z);
}

template <class T>
void sparse_weight_gradient_product(const SparseRows<T>& x, MatrixView<const T> delta,
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
        all_places<T, inputs>(x.rows(), micro_batches),
        scratch<T, Packed>(delta.rows * columns),
        scratch<T, Levels>(tree_levels(micro_batches.size()) * inputs * columns)};
    for_strips<gradient_vectors, bytes, T>(task, 0, dw.columns);
  });
}

template void sparse_forward_product(const SparseRows<float>&, MatrixView<const float>, MatrixView<float>,
                                     bool);
template void sparse_forward_product(const SparseRows<double>&, MatrixView<const double>, MatrixView<double>,
                                     bool);
template void sparse_weight_gradient_product(const SparseRows<float>&, MatrixView<const float>, MicroBatches,
                                             MatrixView<float>);
template void sparse_weight_gradient_product(const SparseRows<double>&, MatrixView<const double>,
                                             MicroBatches, MatrixView<double>);

}  // namespace lockstep::exact
