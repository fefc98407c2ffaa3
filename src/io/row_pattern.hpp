#pragma once

#include <cstddef>
#include <vector>

#include "lockstep/io/shard_reader.hpp"

namespace lockstep {

/// Rows start + i · stride + j for i < count, j < block: one regular hyperslab.
struct RowPattern {
  std::size_t start = 0;
  std::size_t stride = 1;
  std::size_t count = 1;
  std::size_t block = 0;

  std::size_t rows() const { return count * block; }
  friend bool operator==(const RowPattern&, const RowPattern&) = default;
};

/// The runs as few regular patterns of at most `most_rows` rows each (at least one row), in order. Touching
/// runs are joined. A rank's rows of an unshuffled split are one run a batch, which makes one pattern, not
/// thousands of runs.
std::vector<RowPattern> regular_patterns(const RowRuns& runs, std::size_t most_rows);

/// The file row of the `position`-th selected row.
std::size_t file_row(const RowRuns& runs, std::size_t position);

}  // namespace lockstep
