#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <vector>

#include "lockstep/core/aligned_vector.hpp"
#include "lockstep/core/checked_cast.hpp"
#include "lockstep/core/matrix.hpp"

/// Rows with many zeros: fma(0, w, sum) = sum, so the exact products may skip them. They are kept in quads:
/// so many neighbouring columns, the first at a multiple, of which not all are zero. Where pixels are not
/// zero their neighbours seldom are, and quads take less memory than single elements with a column each.
namespace lockstep {

inline constexpr std::size_t quad_columns = 4;

/// Of so many columns; the last one may reach beyond.
constexpr std::size_t quads_of(std::size_t columns) {
  return (columns + quad_columns - 1) / quad_columns;
}

/// Rows with all their elements, or with the quads that are not zero, closed up as in a block-compressed
/// sparse row (BSR) matrix: then quad n of row i, quads(i, n) in ascending order, n < counts[i], has the
/// elements values(i, 4 n …), and all others are +0.
template <class T>
struct SparseRows {
  MatrixView<const T> values;             // (rows, columns), or as many as there may be in quads
  MatrixView<const std::uint16_t> quads;  // (rows, all quads)
  const std::uint32_t* counts = nullptr;  // (rows); nullptr: values has all elements, and there are no quads
  Range columns;                          // only these belong to the rows

  SparseRows() = default;
  SparseRows(MatrixView<const T> all) : values(all), columns{0, all.columns} {}
  SparseRows(MatrixView<T> all) : SparseRows(MatrixView<const T>(all)) {}

  bool leave_out_zeros() const { return counts != nullptr; }
  std::size_t rows() const { return values.rows; }

  SparseRows rows_of(Range some) const {
    SparseRows part = *this;
    part.values = values.rows_of(some);
    if (!leave_out_zeros()) return part;
    part.quads = quads.rows_of(some);
    part.counts += some.begin;
    return part;
  }
  SparseRows columns_of(Range some) const {
    if (!leave_out_zeros()) return values.columns_of(some);
    SparseRows part = *this;
    part.columns = {columns.begin + some.begin, columns.begin + some.end};
    return part;
  }
};

/// Memory for such rows, which somebody else owns: room for all their elements.
template <class T>
class RowMemory {
 public:
  RowMemory() = default;
  /// `memory`: size(rows, columns, leave_out_zeros) elements, aligned to 64 bytes.
  RowMemory(std::size_t rows, std::size_t columns, bool leave_out_zeros, T* memory)
      : columns_(columns), values_(memory, rows, row_elements(columns, leave_out_zeros)) {
    if (!leave_out_zeros) return;
    memory += padded_size(rows * values_.columns, sizeof(T));
    quads_ = {reinterpret_cast<std::uint16_t*>(memory), rows, quads_of(columns)};
    memory += padded_size(rows * quads_.columns, sizeof(std::uint16_t));
    counts_ = reinterpret_cast<std::uint32_t*>(memory);
  }
  static std::size_t size(std::size_t rows, std::size_t columns, bool leave_out_zeros) {
    const std::size_t values = checked_product(rows, row_elements(columns, leave_out_zeros));
    if (!leave_out_zeros) return padded_size(values, sizeof(T));
    return padded_size(values, sizeof(T)) + padded_size(rows * quads_of(columns), sizeof(std::uint16_t)) +
           padded_size(rows, sizeof(std::uint32_t));
  }

  bool leave_out_zeros() const { return counts_ != nullptr; }
  RowMemory rows_of(Range some) const {
    RowMemory part = *this;
    part.values_ = values_.rows_of(some);
    if (!leave_out_zeros()) return part;
    part.quads_ = quads_.rows_of(some);
    part.counts_ = counts_ + some.begin;
    return part;
  }
  SparseRows<T> rows() const {
    SparseRows<T> result(values_);
    result.quads = quads_;
    result.counts = counts_;
    result.columns = {0, columns_};
    return result;
  }

  /// Room for all elements of row i, where the rows have them.
  T* row(std::size_t i) const { return values_.row(i); }
  /// Room for the elements of row i in these quads.
  T* row(std::size_t i, std::span<const std::uint16_t> quads) const {
    std::copy(quads.begin(), quads.end(), quads_.row(i));
    counts_[i] = static_cast<std::uint32_t>(quads.size());
    return values_.row(i);
  }

 private:
  static std::size_t row_elements(std::size_t columns, bool leave_out_zeros) {
    return leave_out_zeros ? quads_of(columns) * quad_columns : columns;
  }
  /// Of so many things, in elements of T; whole cache lines.
  static std::size_t padded_size(std::size_t count, std::size_t bytes_of_one) {
    constexpr std::size_t line = 64;
    return (count * bytes_of_one + line - 1) / line * (line / sizeof(T));
  }

  std::size_t columns_ = 0;
  MatrixView<T> values_;
  MatrixView<std::uint16_t> quads_;
  std::uint32_t* counts_ = nullptr;
};

/// A NonZeroIndex that somebody else owns.
struct NonZeroView {
  std::span<const std::size_t> starts;   // (rows + 1), into quads; empty: not known
  std::span<const std::uint16_t> quads;  // of all rows
  std::span<const std::byte> values;     // (quads, 4)

  bool empty() const { return starts.size() <= 1; }
  /// Those of a row, ascending.
  std::span<const std::uint16_t> operator[](std::size_t row) const {
    return quads.subspan(starts[row], starts[row + 1] - starts[row]);
  }

  /// Writes a row's quads to row `i` of `to`, each element times `scale`. Value: the type of the rows that
  /// were appended.
  template <class Value, class T>
  void copy(std::size_t row, T scale, const RowMemory<T>& to, std::size_t i) const {
    const std::span<const std::uint16_t> found = (*this)[row];
    const Value* const from = reinterpret_cast<const Value*>(values.data()) + starts[row] * quad_columns;
    T* const out = to.row(i, found);
    for (std::size_t n = 0; n < found.size() * quad_columns; ++n) out[n] = static_cast<T>(from[n]) * scale;
  }

  /// Asks for a row before it is copied, when its place is already at hand.
  template <class Value>
  void prefetch(std::size_t row) const {
    const auto ask = [](const void* begin, std::size_t bytes) {
      constexpr std::size_t line = 64;
      for (std::size_t i = 0; i < bytes + line - 1; i += line)
        __builtin_prefetch(static_cast<const std::byte*>(begin) + i);
    };
    const std::size_t start = starts[row], count = starts[row + 1] - start;
    ask(quads.data() + start, count * sizeof(std::uint16_t));
    ask(values.data() + start * quad_columns * sizeof(Value), count * quad_columns * sizeof(Value));
  }
  void prefetch_place(std::size_t row) const { __builtin_prefetch(starts.data() + row); }
};

/// The quads of many rows that are not zero; found once, when data are loaded. Steps gather rows from
/// anywhere in memory: closed up, a picture takes half of the cache lines.
class NonZeroIndex {
 public:
  static constexpr std::size_t most_columns =
      quad_columns * (std::numeric_limits<std::uint16_t>::max() + std::size_t{1});
  /// The least magnitude of a non-zero element. With it, products with factors of at least
  /// exact_product_floor never round to zero, and so a sum never becomes −0, which skipped zeros would
  /// keep and added ones might not. For the same reason no element may be −0.
  static constexpr double least_magnitude = 0x1p-20;
  /// Of the other factor, in the exponent range of T.
  template <class T>
  static constexpr T exact_product_floor = static_cast<T>(sizeof(T) == sizeof(float) ? 0x1p-80 : 0x1p-900);

  /// Memory that an index of rows with so many quads takes, with elements of so many bytes.
  static constexpr std::size_t bytes(std::size_t rows, std::size_t quads, std::size_t value_bytes) {
    return (rows + 1) * sizeof(std::size_t) + quads * (sizeof(std::uint16_t) + quad_columns * value_bytes);
  }
  void reserve(std::size_t rows, std::size_t quads, std::size_t value_bytes) {
    starts_.reserve(rows + 1);
    quads_.reserve(quads);
    values_.reserve(quads * quad_columns * value_bytes);
  }
  /// Appends a row of at most most_columns elements, of the same type as those before.
  template <class Value>
  void append(std::span<const Value> row) {
    for (std::size_t begin = 0; begin < row.size(); begin += quad_columns) {
      Value elements[quad_columns] = {};
      std::copy_n(row.data() + begin, std::min(quad_columns, row.size() - begin), elements);
      bool some = false;
      for (const Value element : elements) some |= element != Value(0);
      if (!some) continue;
      quads_.push_back(static_cast<std::uint16_t>(begin / quad_columns));
      const auto* const bytes = reinterpret_cast<const std::byte*>(elements);
      values_.insert(values_.end(), bytes, bytes + sizeof elements);
    }
    starts_.push_back(quads_.size());
  }

  NonZeroView view() const { return {starts_, quads_, values_}; }

 private:
  std::vector<std::size_t> starts_{0};  // (rows + 1)
  AlignedVector<std::uint16_t> quads_;
  AlignedVector<std::byte> values_;
};

}  // namespace lockstep
