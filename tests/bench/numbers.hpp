#pragma once

#include <cstddef>
#include <random>

#include "lockstep/core/aligned_vector.hpp"
#include "lockstep/core/matrix.hpp"

namespace lockstep::bench {

/// Numbers in [−1, 1).
inline AlignedVector<float> numbers(std::size_t size) {
  AlignedVector<float> values(size);
  std::mt19937 engine(static_cast<unsigned>(size));
  for (float& value : values) value = static_cast<float>(engine()) * 0x1p-31F - 1;
  return values;
}

/// (rows, columns) of them.
class Numbers {
 public:
  Numbers(std::size_t rows, std::size_t columns)
      : values_(numbers(rows * columns)), view_(values_.data(), rows, columns) {}
  Numbers(const Numbers&) = delete;

  AlignedVector<float>& values() { return values_; }
  const MatrixView<float>& view() const { return view_; }

 private:
  AlignedVector<float> values_;
  MatrixView<float> view_;
};

}  // namespace lockstep::bench
