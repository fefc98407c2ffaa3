#pragma once

#include <filesystem>
#include <string>

namespace lockstep {

/// "a FIFO", "a directory".
inline std::string file_type_name(std::filesystem::file_type type) {
  using Type = std::filesystem::file_type;
  switch (type) {
    case Type::symlink:
      return "a symbolic link";
    case Type::directory:
      return "a directory";
    case Type::fifo:
      return "a FIFO";
    case Type::socket:
      return "a socket";
    case Type::regular:
      return "a regular file";
    case Type::block:
    case Type::character:
      return "a device";
    default:
      return "something else";
  }
}

}  // namespace lockstep
