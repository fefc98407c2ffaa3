#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>

#include "lockstep/core/error.hpp"
#include "lockstep/core/text.hpp"

namespace lockstep {

/// Throws FileError naming row and column of the first number that is not finite. numbers: (rows, columns),
/// the rows of an array from `first_row` on.
template <class T>
void check_finite(std::span<const T> numbers, std::size_t columns, std::size_t first_row,
                  const std::string& where) {
  const auto bad =
      std::find_if(numbers.begin(), numbers.end(), [](T number) { return !std::isfinite(number); });
  if (bad == numbers.end()) return;
  const auto i = static_cast<std::size_t>(bad - numbers.begin());
  throw FileError(where + ": row " + std::to_string(first_row + i / columns) + ", column " +
                  std::to_string(i % columns) + ": expected a finite number, found " + format_exact(*bad));
}

}  // namespace lockstep
