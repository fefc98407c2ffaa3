#include "lockstep/io/text_file.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "lockstep/core/error.hpp"

namespace lockstep {

std::string read_text_file(const std::string& path) {
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
