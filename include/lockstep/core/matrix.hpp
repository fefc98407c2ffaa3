#pragma once

#include <cstddef>
#include <type_traits>

#include "lockstep/core/partition.hpp"

namespace lockstep {

/// A row-major matrix that somebody else owns: (rows, columns), rows `stride` elements apart.
template <class T>
struct MatrixView {
  T* data = nullptr;
  std::size_t rows = 0;
  std::size_t columns = 0;
  std::size_t stride = 0;

  MatrixView() = default;
  MatrixView(T* data_, std::size_t rows_, std::size_t columns_)
      : MatrixView(data_, rows_, columns_, columns_) {}
  MatrixView(T* data_, std::size_t rows_, std::size_t columns_, std::size_t stride_)
      : data(data_), rows(rows_), columns(columns_), stride(stride_) {}

  T* row(std::size_t i) const { return data + i * stride; }
  T& operator()(std::size_t i, std::size_t j) const { return data[i * stride + j]; }

  /// Some of the rows.
  MatrixView rows_of(Range some) const { return {row(some.begin), some.size(), columns, stride}; }
  MatrixView columns_of(Range some) const { return {data + some.begin, rows, some.size(), stride}; }

  operator MatrixView<const T>() const requires(!std::is_const_v<T>) { return {data, rows, columns, stride}; }
};

}  // namespace lockstep
