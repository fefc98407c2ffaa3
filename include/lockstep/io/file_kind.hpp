#pragma once

#include <string>

namespace lockstep {

/// The root attribute `format` of an HDF5 file ("lockstep-dataset", "lockstep-checkpoint"); empty if it has
/// none. Throws FileError for a file that is missing, empty, truncated or not HDF5.
std::string file_format(const std::string& path);

/// The HDF5 library and how it was built, e.g. "1.10.8, parallel".
std::string hdf5_identity();

}  // namespace lockstep
