#pragma once

#include <cmath>
#include <cstddef>
#include <cstring>
#include <vector>

#include "lockstep/core/instruction_set.hpp"

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

/// `Rows` × `Vectors` chains of fused multiply-adds, in registers: (Rows, columns), starting from +0.
template <std::size_t Rows, std::size_t Vectors, std::size_t Bytes, class T>
struct Chains {
  static constexpr std::size_t lanes = Bytes / sizeof(T), columns = Vectors * lanes;
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

  /// tile: (Rows, columns)
  [[gnu::always_inline]] void add(const T* tile) {
#pragma GCC unroll 16
    for (std::size_t i = 0; i < Rows; ++i) {
#pragma GCC unroll 16
      for (std::size_t j = 0; j < Vectors; ++j) sums[i][j] += load<Bytes>(tile + i * columns + j * lanes);
    }
  }

  [[gnu::always_inline]] void load_from(const T* tile) {
#pragma GCC unroll 16
    for (std::size_t i = 0; i < Rows; ++i) {
#pragma GCC unroll 16
      for (std::size_t j = 0; j < Vectors; ++j) sums[i][j] = load<Bytes>(tile + i * columns + j * lanes);
    }
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

/// Memory for one purpose, kept from call to call.
template <class T, class Purpose>
T* scratch(std::size_t size) {
  thread_local std::vector<T> buffer;
  if (buffer.size() < size) buffer.resize(size);
  return buffer.data();
}

}  // namespace lockstep::exact
