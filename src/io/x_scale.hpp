#pragma once

#include <cmath>
#include <limits>
#include <optional>
#include <string>

#include "lockstep/core/error.hpp"
#include "lockstep/core/text.hpp"
#include "lockstep/io/hdf5.hpp"

namespace lockstep {

/// The root attribute x_scale, what stored x are multiplied by, if there is one. Throws FileError.
inline std::optional<double> read_x_scale(hid_t file, const std::string& where) {
  if (!has_attribute(file, "x_scale", where)) return std::nullopt;
  const double scale = read_number_attribute<double>(file, "x_scale", where);
  if (!(std::abs(scale) <= std::numeric_limits<float>::max()) || scale == 0) {
    throw FileError(where + ": attribute 'x_scale': expected a finite number other than 0, found " +
                    format_exact(scale));
  }
  return scale;
}

}  // namespace lockstep
