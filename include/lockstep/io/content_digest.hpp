#pragma once

#include <hdf5.h>

#include <string>

namespace lockstep {

/// SHA-256 over the content of an HDF5 file of groups, arrays of numbers and attributes; the root attribute
/// `sha256` is left out. Objects come in the order of a depth-first walk, names ascending, "/" first.
/// Each adds
///
///   its path, newline
///   for each attribute, names ascending:   "@name", newline, type, newline, shape, newline, bytes
///   if it is an array:                     type, newline, shape, newline, bytes
///
/// type: "uint8", "int32", "int64", "uint64", "float32", "float64" or "text"; shape as in "(2, 3)", "()"
/// for a scalar; bytes: little-endian numbers row-major, or the texts each followed by a zero byte. Throws
/// FileError for links, types or storage that lockstep does not write.
std::string content_sha256(hid_t file, const std::string& file_name);

}  // namespace lockstep
