#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "lockstep/core/error.hpp"
#include "lockstep/core/text.hpp"

namespace lockstep {

/// A name that stands for more than one class.
inline std::optional<std::string> repeated_name(std::vector<std::string> names) {
  std::sort(names.begin(), names.end());
  const auto found = std::adjacent_find(names.begin(), names.end());
  return found == names.end() ? std::nullopt : std::optional(*found);
}

/// The names that the user gave, or "0", "1", … where there are none. Throws UserError, naming `where`, if
/// they are fewer than the classes or not different.
inline std::vector<std::string> names_or_numbers(std::vector<std::string> names, std::size_t classes,
                                                 const std::string& where) {
  if (names.empty()) {
    for (std::size_t i = 0; i < classes; ++i) names.push_back(std::to_string(i));
  }
  if (names.size() < classes) {
    throw UserError(where + ": expected names for " + std::to_string(classes) + " classes, found " +
                    std::to_string(names.size()));
  }
  if (const auto name = repeated_name(names)) {
    throw UserError(where + ": expected different names of the classes, found " + in_quotes(*name) +
                    " twice");
  }
  return names;
}

}  // namespace lockstep
