#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "lockstep/core/matrix.hpp"

/// Rows with many zeros: fma(0, w, sum) = sum, so the exact products may skip them.
namespace lockstep {

/// The columns of a row's non-zero elements, ascending.
using NonZeroColumns = std::span<const std::uint16_t>;

/// Rows of which it may be known where their non-zero elements are.
template <class T>
struct SparseRows {
  MatrixView<const T> x;                    // (rows, columns)
  std::span<const NonZeroColumns> nonzero;  // (rows), from a NonZeroIndex; empty: not known

  SparseRows() = default;
  SparseRows(MatrixView<const T> x_) : x(x_) {}
  SparseRows(MatrixView<T> x_) : x(x_) {}
  SparseRows(MatrixView<const T> x_, std::span<const NonZeroColumns> nonzero_) : x(x_), nonzero(nonzero_) {}
};

/// A NonZeroIndex that somebody else owns.
struct NonZeroView {
  std::span<const std::size_t> starts;  // (rows + 1), into columns; empty: not known
  std::span<const std::uint16_t> columns;

  bool empty() const { return starts.size() <= 1; }
  NonZeroColumns operator[](std::size_t row) const {
    return columns.subspan(starts[row], starts[row + 1] - starts[row]);
  }
};

/// Where many rows have their non-zero elements; found once, when data are loaded.
class NonZeroIndex {
 public:
  static constexpr std::size_t most_columns = std::numeric_limits<std::uint16_t>::max() + 1UL;
  /// The least magnitude of a non-zero element. With it, products with factors of at least
  /// exact_product_floor never round to zero, and so a sum never becomes −0, which skipped zeros would
  /// keep and added ones might not.
  static constexpr double least_magnitude = 0x1p-20;
  /// Of the other factor, in the exponent range of T.
  template <class T>
  static constexpr T exact_product_floor = static_cast<T>(sizeof(T) == sizeof(float) ? 0x1p-80 : 0x1p-900);

  /// Memory that an index takes.
  static constexpr std::size_t bytes(std::size_t rows, std::size_t nonzeros) {
    return (rows + 1) * sizeof(std::size_t) + nonzeros * sizeof(std::uint16_t);
  }

  /// Room for that many rows and non-zero elements.
  void reserve(std::size_t rows, std::size_t nonzeros) {
    starts_.reserve(rows + 1);
    columns_.reserve(nonzeros);
  }

  /// Appends a row of at most most_columns elements.
  template <class T>
  void append(std::span<const T> row) {
    std::vector<std::uint16_t>& found = row_columns_;
    found.resize(row.size());
    std::size_t count = 0;
    for (std::size_t j = 0; j < row.size(); ++j) {  // without branches: which come next is unpredictable
      found[count] = static_cast<std::uint16_t>(j);
      count += row[j] != T(0) ? 1 : 0;
    }
    columns_.insert(columns_.end(), found.begin(), found.begin() + static_cast<std::ptrdiff_t>(count));
    starts_.push_back(columns_.size());
  }

  NonZeroView view() const { return {starts_, columns_}; }

 private:
  std::vector<std::size_t> starts_{0};  // (rows + 1)
  std::vector<std::uint16_t> columns_;
  std::vector<std::uint16_t> row_columns_;  // scratch of append()
};

}  // namespace lockstep
