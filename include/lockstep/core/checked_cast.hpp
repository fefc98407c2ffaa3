#pragma once

#include <string>
#include <utility>

#include "lockstep/core/error.hpp"

namespace lockstep {

/// Converts between integer types. Throws OverflowError, naming `what`, if the value does not fit.
template <class To, class From>
To checked_cast(From value, const char* what = "a size") {
  if (!std::in_range<To>(value)) {
    throw OverflowError(std::string(what) + " of " + std::to_string(value) + " does not fit into " +
                        std::to_string(sizeof(To) * 8) + " bits");
  }
  return static_cast<To>(value);
}

/// a · b. Throws OverflowError, naming `what`, if the product does not fit.
template <class T>
T checked_product(T a, T b, const char* what = "a size") {
  T product{};
  if (__builtin_mul_overflow(a, b, &product)) {
    throw OverflowError(std::string(what) + " of " + std::to_string(a) + " x " + std::to_string(b) +
                        " is too large");
  }
  return product;
}

}  // namespace lockstep
