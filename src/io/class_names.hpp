#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "lockstep/core/error.hpp"

namespace lockstep {

/// The names that the user gave, or "0", "1", … where there are none. Throws UserError, naming `where`, if
/// they are fewer than the classes.
inline std::vector<std::string> names_or_numbers(std::vector<std::string> names, std::size_t classes,
                                                 const std::string& where) {
  if (names.empty()) {
    for (std::size_t i = 0; i < classes; ++i) names.push_back(std::to_string(i));
  }
  if (names.size() < classes) {
    throw UserError(where + ": expected names for " + std::to_string(classes) + " classes, found " +
                    std::to_string(names.size()));
  }
  return names;
}

}  // namespace lockstep
