#pragma once

#include <cstddef>
#include <random>
#include <vector>

#include "lockstep/core/matrix.hpp"

namespace lockstep::bench {

/// Numbers in [−1, 1), from a multiple of 64 bytes on.
class Numbers {
 public:
  explicit Numbers(std::size_t size) : lines_((size + Line::length - 1) / Line::length) {
    std::mt19937 engine(static_cast<unsigned>(size));
    for (Line& line : lines_) {
      for (float& value : line.values) value = static_cast<float>(engine()) * 0x1p-31F - 1;
    }
  }
  Numbers(std::size_t rows, std::size_t columns) : Numbers(rows * columns) {}

  float* data() { return lines_.data()->values; }
  MatrixView<float> view(std::size_t rows, std::size_t columns) { return {data(), rows, columns}; }

 private:
  struct alignas(64) Line {
    static constexpr std::size_t length = 16;
    float values[length];
  };
  std::vector<Line> lines_;
};

}  // namespace lockstep::bench
