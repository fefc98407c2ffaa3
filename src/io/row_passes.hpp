#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>

namespace lockstep {

/// Calls pass(begin, count) for rows [begin, begin + count) until all of [0, rows) are done. A pass holds at
/// most 16 MiB, or one row: arrays of any size go through little memory.
template <class Pass>
void for_row_passes(std::size_t rows, std::size_t row_bytes, Pass&& pass) {
  constexpr std::size_t pass_bytes = std::size_t{16} << 20;
  const std::size_t pass_rows = std::max<std::size_t>(pass_bytes / std::max<std::size_t>(row_bytes, 1), 1);
  for (std::size_t begin = 0; begin < rows; begin += pass_rows)
    pass(begin, std::min(pass_rows, rows - begin));
}

}  // namespace lockstep
