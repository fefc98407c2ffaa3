#include "lockstep/io/text_file.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "lockstep/core/error.hpp"
#include "lockstep/core/text.hpp"
#include "lockstep/io/available_memory.hpp"
#include "lockstep/io/hdf5.hpp"

namespace lockstep {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t unlimited = std::numeric_limits<std::uint64_t>::max();

/// A path that may not be read is the user's mistake; a disk that does not give the bytes now is not.
[[noreturn]] void refuse_unreadable(const std::string& path, int error) {
  const std::string message = path + ": expected a readable file, found: " + std::strerror(error);
  for (const int mistake : {ENOENT, EACCES, EISDIR, ENOTDIR, ELOOP, ENAMETOOLONG}) {
    if (error == mistake) throw FileError(message);
  }
  throw UnreadableError(message);
}

}  // namespace

std::string read_text_file(const std::string& path, std::uint64_t most_bytes) {
  const auto refuse = [&](const std::string& found) {
    throw FileError(path + ": expected at most " + format_bytes(most_bytes) + ", found " + found);
  };
  std::error_code error;
  const fs::file_type type = fs::status(path, error).type();
  if (type == fs::file_type::none) refuse_unreadable(path, error.value());
  if (most_bytes == unlimited || type != fs::file_type::fifo) {
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
  if (!file.eof()) refuse_unreadable(path, errno);
  return text;
}

}  // namespace lockstep
