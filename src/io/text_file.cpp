#include "lockstep/io/text_file.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "available_memory.hpp"
#include "lockstep/core/error.hpp"
#include "lockstep/core/text.hpp"
#include "lockstep/io/hdf5.hpp"

namespace lockstep {

std::string read_text_file(const std::string& path, std::uint64_t most_bytes) {
  const std::uint64_t bytes = file_size_bytes(path);
  if (bytes > most_bytes) {
    throw FileError(path + ": expected at most " + format_bytes(most_bytes) + ", found " +
                    format_bytes(bytes));
  }
  check_memory_available(bytes, path);
  std::ifstream file(path, std::ios::binary);
  std::string text;
  std::array<char, 1 << 16> buffer;
  while (file.read(buffer.data(), buffer.size()) || file.gcount() > 0) {
    text.append(buffer.data(), static_cast<std::size_t>(file.gcount()));
  }
  if (!file.eof()) throw FileError(path + ": expected a readable file, found: " + std::strerror(errno));
  return text;
}

}  // namespace lockstep
