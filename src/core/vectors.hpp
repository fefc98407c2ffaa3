#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include "lockstep/core/aligned_vector.hpp"
#include "lockstep/core/instruction_set.hpp"
#include "lockstep/core/matrix.hpp"

/// Vectors of numbers in registers, as GCC and Clang know them on every machine. They stay in registers only
/// where loops over them are unrolled: hence the pragmas where they are used.
namespace lockstep::exact {

/// Bytes of a vector register.
template <InstructionSet Set>
constexpr std::size_t vector_bytes = Set == InstructionSet::avx512 ? 64
                                                                   : (Set == InstructionSet::avx2 ? 32 : 16);

template <class T, std::size_t Bytes>
struct VectorType {
  typedef T type __attribute__((vector_size(Bytes)));
};
template <class T, std::size_t Bytes>
using Vector = typename VectorType<T, Bytes>::type;

template <std::size_t Bytes, class T>
[[gnu::always_inline]] inline Vector<T, Bytes> load(const T* from) {
  Vector<T, Bytes> v;
  std::memcpy(&v, from, sizeof v);
  return v;
}

template <class V, class T>
[[gnu::always_inline]] inline void store(V v, T* to) {
  std::memcpy(to, &v, sizeof v);
}

/// Every lane the same number.
template <std::size_t Bytes, class T>
[[gnu::always_inline]] inline Vector<T, Bytes> broadcast(T value) {
  Vector<T, Bytes> v;
  for (std::size_t lane = 0; lane < Bytes / sizeof(T); ++lane) v[lane] = value;
  return v;
}

/// Lane by lane fma(a, b, c). Compilers make one instruction of it where there is one.
template <class V>
[[gnu::always_inline]] inline V multiply_add(V a, V b, V c) {
  V result;
  for (std::size_t lane = 0; lane < sizeof(V) / sizeof(a[0]); ++lane) {
    result[lane] = std::fma(a[lane], b[lane], c[lane]);
  }
  return result;
}

/// Lanes of two vectors, `Width` at a time: a gets the even groups of both, b the odd ones.
template <std::size_t Width, class V>
[[gnu::always_inline]] inline void swap_lanes(V& a, V& b) {
  constexpr std::size_t lanes = sizeof(V) / sizeof(a[0]);
  const V of_a = a, of_b = b;
  const auto shuffle = [&]<std::size_t... Lane>(std::index_sequence<Lane...>) {
    a = __builtin_shufflevector(of_a, of_b, (Lane / Width % 2 == 0 ? Lane : Lane - Width + lanes)...);
    b = __builtin_shufflevector(of_a, of_b, (Lane / Width % 2 == 0 ? Lane + Width : Lane + lanes)...);
  };
  shuffle(std::make_index_sequence<lanes>());
}

/// Transposes a square of as many vectors as they have lanes: swaps its quarters, then theirs.
template <class V, std::size_t Width = sizeof(V) / sizeof(V{}[0]) / 2>
[[gnu::always_inline]] inline void transpose_square(V* rows) {
#pragma GCC unroll 16
  for (std::size_t i = 0; i < sizeof(V) / sizeof(rows[0][0]); ++i) {
    if (i / Width % 2 == 0) swap_lanes<Width>(rows[i], rows[i + Width]);
  }
  if constexpr (Width > 1) transpose_square<V, Width / 2>(rows);
}

/// `Rows` × `Vectors` chains of fused multiply-adds, in registers: (Rows, columns), starting from +0.
template <std::size_t Rows, std::size_t Vectors, std::size_t Bytes, class T>
struct Chains {
  static constexpr std::size_t rows = Rows, lanes = Bytes / sizeof(T), columns = Vectors * lanes;
  Vector<T, Bytes> sums[Rows][Vectors] = {};

  /// sums_ij = fma(factors[i · stride], row[j], sums_ij)
  [[gnu::always_inline]] void multiply_add(const T* factors, std::size_t stride, const T* row) {
    Vector<T, Bytes> row_vectors[Vectors];
#pragma GCC unroll 16
    for (std::size_t j = 0; j < Vectors; ++j) row_vectors[j] = load<Bytes>(row + j * lanes);
#pragma GCC unroll 16
    for (std::size_t i = 0; i < Rows; ++i) {
      const Vector<T, Bytes> factor = broadcast<Bytes>(factors[i * stride]);
#pragma GCC unroll 16
      for (std::size_t j = 0; j < Vectors; ++j) {
        sums[i][j] = exact::multiply_add(factor, row_vectors[j], sums[i][j]);
      }
    }
  }

  /// The same for `count` rows, one after the other; rows and factors lie `row_step` and `factor_step` apart.
  /// Short chains without unrolling lose a tenth to a mispredicted end.
  [[gnu::always_inline]] void multiply_add(const T* factors, std::size_t stride, std::size_t factor_step,
                                           const T* row, std::size_t row_step, std::size_t count) {
    constexpr std::size_t unrolled = 4;
    for (; count >= unrolled; count -= unrolled) {
#pragma GCC unroll 16
      for (std::size_t k = 0; k < unrolled; ++k, factors += factor_step, row += row_step) {
        multiply_add(factors, stride, row);
        asm("" : "+r"(factors));  // or GCC loads factors of several rows at a time, and takes them apart
      }
    }
    for (; count > 0; --count, factors += factor_step, row += row_step) multiply_add(factors, stride, row);
  }

  /// tile: (Rows, columns)
  [[gnu::always_inline]] void add(const T* tile) {
#pragma GCC unroll 16
    for (std::size_t i = 0; i < Rows; ++i) {
#pragma GCC unroll 16
      for (std::size_t j = 0; j < Vectors; ++j) sums[i][j] += load<Bytes>(tile + i * columns + j * lanes);
    }
  }

  /// Whether any sum is −0, whose bits are those of the smallest integer.
  [[gnu::always_inline]] bool has_negative_zero() const {
    using Integer = std::conditional_t<sizeof(T) == sizeof(float), std::int32_t, std::int64_t>;
    using Integers = Vector<Integer, Bytes>;
    Integers smallest = {};
#pragma GCC unroll 16
    for (std::size_t i = 0; i < Rows; ++i) {
#pragma GCC unroll 16
      for (std::size_t j = 0; j < Vectors; ++j) {
        const auto bits = std::bit_cast<Integers>(sums[i][j]);
        smallest = bits < smallest ? bits : smallest;
      }
    }
    bool found = false;
    for (std::size_t lane = 0; lane < lanes; ++lane)
      found |= smallest[lane] == std::numeric_limits<Integer>::min();
    return found;
  }

  /// from: (Rows, columns), rows `stride` elements apart
  [[gnu::always_inline]] void load_from(const T* from, std::size_t stride) {
#pragma GCC unroll 16
    for (std::size_t i = 0; i < Rows; ++i) {
#pragma GCC unroll 16
      for (std::size_t j = 0; j < Vectors; ++j) sums[i][j] = load<Bytes>(from + i * stride + j * lanes);
    }
  }

  /// The same with only the first `some` columns of each row; zeros in the others.
  [[gnu::always_inline]] void load_some_from(std::size_t some, const T* from, std::size_t stride) {
    if (some == columns) return load_from(from, stride);
    T tile[Rows * columns] = {};
    for (std::size_t i = 0; i < Rows; ++i)
      std::memcpy(tile + i * columns, from + i * stride, some * sizeof(T));
    load_from(tile, columns);
  }

  /// to: (Rows, columns), rows `stride` elements apart
  [[gnu::always_inline]] void store_to(T* to, std::size_t stride) const {
#pragma GCC unroll 16
    for (std::size_t i = 0; i < Rows; ++i) {
#pragma GCC unroll 16
      for (std::size_t j = 0; j < Vectors; ++j) store(sums[i][j], to + i * stride + j * lanes);
    }
  }

  /// The same with only the first `some` columns of each row.
  [[gnu::always_inline]] void store_some_to(std::size_t some, T* to, std::size_t stride) const {
    if (some == columns) return store_to(to, stride);
    T tile[Rows * columns];
    store_to(tile, columns);
    for (std::size_t i = 0; i < Rows; ++i) std::memcpy(to + i * stride, tile + i * columns, some * sizeof(T));
  }
};

/// Asks for so many numbers, from all caches but the nearest, before they are needed.
template <std::size_t Count, class T>
[[gnu::always_inline]] inline void prefetch(const T* numbers) {
  constexpr std::size_t line_bytes = 64, second_level = 2;
#pragma GCC unroll 16
  for (std::size_t i = 0; i < Count; i += line_bytes / sizeof(T))
    __builtin_prefetch(numbers + i, 0, second_level);
}

/// How far ahead rows that are copied are asked for: they are often pages apart, where no processor looks
/// ahead by itself.
constexpr std::size_t prefetched_rows = 16;

/// to: (from.rows, Columns), the columns of from that begin at `column`, filled up with zeros at the right
/// edge
template <std::size_t Columns, class T>
[[gnu::always_inline]] inline void copy_strip(MatrixView<const T> from, std::size_t column, T* to) {
  const std::size_t columns = std::min(Columns, from.columns - column);
  for (std::size_t i = 0; i < from.rows; ++i, to += Columns) {
    const T* const row = from.row(i) + column;
    prefetch<Columns>(from.row(std::min(i + prefetched_rows, from.rows - 1)) + column);
    if (columns == Columns) {
      for (std::size_t j = 0; j < Columns; ++j) to[j] = row[j];
    } else {
      for (std::size_t j = 0; j < Columns; ++j) to[j] = j < columns ? row[j] : T(0);
    }
  }
}

/// Memory for one purpose, kept from call to call.
template <class T, class Purpose>
T* scratch(std::size_t size) {
  thread_local AlignedVector<T> buffer;
  if (buffer.size() < size) buffer.resize(size);
  return buffer.data();
}

}  // namespace lockstep::exact
