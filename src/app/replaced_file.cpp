#include "replaced_file.hpp"

#include <strings.h>

#include <filesystem>
#include <fstream>

#include "lockstep/core/error.hpp"
#include "lockstep/io/file_kind.hpp"
#include "lockstep/io/hdf5.hpp"

namespace lockstep {
namespace {
constexpr const char* another_file = "another file";
}  // namespace

bool replaces_file(const std::string& flag, const std::string& path, const std::string& kind,
                   const std::function<std::string()>& what_else) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  const bool is_file = fs::is_regular_file(path, ignored);
  const bool nothing_to_lose = !fs::exists(path, ignored) || fs::is_directory(path, ignored) ||
                               (is_file && fs::is_empty(path, ignored));
  if (nothing_to_lose) return false;
  const std::string found = is_file ? what_else() : another_file;
  if (found.empty()) return true;
  throw UserError(flag + " " + path + ": expected a new file, or " + kind + " to replace, found " + found +
                  "; choose another name, or remove it first");
}

std::string what_else_than_hdf5(const std::string& path, const std::string& format) {
  if (!is_hdf5(path)) return another_file;
  try {
    return file_format(path) == format ? "" : another_file;
  } catch (const FileError& error) {
    return std::string(another_file) + ", or a damaged one (" + error.what() + ")";
  }
}

std::string what_else_than_text(const std::string& path, std::string_view begin) {
  std::string found(begin.size(), ' ');
  std::ifstream(path, std::ios::binary).read(found.data(), static_cast<std::streamsize>(found.size()));
  return ::strncasecmp(found.data(), begin.data(), begin.size()) == 0 ? "" : another_file;
}

}  // namespace lockstep
