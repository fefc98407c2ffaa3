#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace lockstep {

/// Bytes that write_seal() uses at the front of a file: HDF5's user block, which other HDF5 programs skip.
inline constexpr std::size_t seal_bytes = 512;

/// Writes the SHA-256 of everything behind the first seal_bytes of a file's content into them. libhdf5
/// crashes on some damaged files; a seal is checked before HDF5 gets to see the file.
void write_seal(std::span<char> content);

/// Throws FileError if the file has a seal that its content does not fit. A file without one passes.
void check_seal(const std::string& path);

}  // namespace lockstep
