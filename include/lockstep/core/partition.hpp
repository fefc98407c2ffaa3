#pragma once

#include <cstddef>

namespace lockstep {

/// A half-open range of indices.
struct Range {
  std::size_t begin = 0;
  std::size_t end = 0;

  std::size_t size() const { return end - begin; }
  bool empty() const { return begin == end; }
  bool contains(std::size_t i) const { return begin <= i && i < end; }
  friend bool operator==(const Range&, const Range&) = default;
};

/// Part `index` of `count` things cut into `parts` contiguous parts whose sizes differ by at most one, the
/// larger ones first. Requires index < parts.
inline Range block_partition(std::size_t count, std::size_t parts, std::size_t index) {
  const std::size_t base = count / parts;
  const std::size_t larger = count % parts;
  const std::size_t begin = index * base + (index < larger ? index : larger);
  return {begin, begin + base + (index < larger ? 1 : 0)};
}

/// The part of block_partition(count, parts, ·) that holds thing `i`. Requires i < count.
inline std::size_t block_owner(std::size_t count, std::size_t parts, std::size_t i) {
  const std::size_t base = count / parts;
  const std::size_t larger = count % parts;
  const std::size_t in_larger = larger * (base + 1);
  return i < in_larger ? i / (base + 1) : larger + (i - in_larger) / base;
}

}  // namespace lockstep
