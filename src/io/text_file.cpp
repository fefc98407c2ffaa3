#include "lockstep/io/text_file.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "available_memory.hpp"
#include "lockstep/core/error.hpp"
#include "lockstep/core/text.hpp"
#include "lockstep/io/hdf5.hpp"

namespace lockstep {
namespace {
constexpr std::uint64_t unlimited = std::numeric_limits<std::uint64_t>::max();
}

std::string read_text_file(const std::string& path, std::uint64_t most_bytes) {
  const auto refuse = [&](const std::string& found) {
    throw FileError(path + ": expected at most " + format_bytes(most_bytes) + ", found " + found);
  };
  std::error_code unknown;
  if (most_bytes == unlimited || !std::filesystem::is_fifo(path, unknown)) {
    const std::uint64_t bytes = file_size_bytes(path);
    if (bytes > most_bytes) refuse(format_bytes(bytes));
    check_memory_available(bytes, path);
  }
  std::ifstream file(path, std::ios::binary);
  std::string text;
  std::array<char, 1 << 16> buffer;
  while (file.read(buffer.data(), buffer.size()) || file.gcount() > 0) {
    text.append(buffer.data(), static_cast<std::size_t>(file.gcount()));
    if (text.size() > most_bytes) refuse("more");
  }
  if (!file.eof()) throw FileError(path + ": expected a readable file, found: " + std::strerror(errno));
  return text;
}

}  // namespace lockstep
