#pragma once

#include <gtest/gtest.h>
#include <zlib.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "lockstep/core/error.hpp"
#include "temporary_directory.hpp"

namespace lockstep {

/// Runs a script of this directory with Debian's Python (NumPy, h5py). Returns whether it ended well.
inline bool run_python(const std::string& script, const std::string& arguments) {
  const std::string command =
      std::string(LOCKSTEP_PYTHON) + " " + LOCKSTEP_IO_SCRIPTS + "/" + script + " " + arguments;
  return std::system(command.c_str()) == 0;
}

/// The message of the error E that `work` has to throw.
template <class E = FileError, class F>
std::string message_of(F&& work) {
  try {
    work();
  } catch (const E& error) {
    return error.what();
  }
  ADD_FAILURE() << "no error was thrown";
  return {};
}

/// Checks that a message names everything that a user needs.
inline void expect_parts(const std::string& message, const std::vector<std::string>& parts) {
  for (const std::string& part : parts) {
    EXPECT_NE(message.find(part), std::string::npos) << "'" << part << "' is not in: " << message;
  }
}

inline void write_gzip(const std::string& path, const std::string& content) {
  const gzFile file = gzopen(path.c_str(), "wb");
  gzwrite(file, content.data(), static_cast<unsigned>(content.size()));
  gzclose(file);
}

/// An IDX file's bytes: magic number, extents, data.
inline std::string idx_bytes(const std::vector<std::uint32_t>& shape, const std::string& data) {
  std::string bytes{'\0', '\0', '\x08', static_cast<char>(shape.size())};
  for (const std::uint32_t extent : shape) {
    for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(extent >> shift & 0xff);
  }
  return bytes + data;
}

inline std::size_t files_in(const std::string& directory) {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(directory)) ++count;
  return count;
}

}  // namespace lockstep
