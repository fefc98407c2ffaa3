#include "seal.hpp"

#include <fstream>
#include <vector>

#include "lockstep/core/error.hpp"
#include "lockstep/core/sha256.hpp"
#include "lockstep/io/hdf5.hpp"

namespace lockstep {
namespace {

constexpr std::string_view mark = "lockstep sealed file, sha256 of all bytes from 512 on: ";
constexpr std::size_t digest_digits = 64;
constexpr std::size_t buffer_bytes = std::size_t{1} << 20;

/// Digest of what follows the seal; the file stands behind it.
std::string digest_of_rest(std::istream& file) {
  Sha256 digest;
  std::vector<char> buffer(buffer_bytes);
  while (file.read(buffer.data(), static_cast<std::streamsize>(buffer.size())) || file.gcount() > 0) {
    digest.update(std::string_view(buffer.data(), static_cast<std::size_t>(file.gcount())));
  }
  return digest.hex_digest();
}

}  // namespace

void seal_file(const std::string& path) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekg(seal_bytes);
  std::string seal = std::string(mark) + digest_of_rest(file) + "\n";
  seal.resize(seal_bytes, '\0');
  file.clear();
  file.seekp(0);
  file.write(seal.data(), static_cast<std::streamsize>(seal.size()));
  file.close();
  if (!file) throw FileError(path + ": its digest cannot be written");
}

void check_seal(const std::string& path) {
  if (file_size_bytes(path) < seal_bytes) return;
  std::ifstream file(path, std::ios::binary);
  std::string seal(seal_bytes, '\0');
  if (!file.read(seal.data(), static_cast<std::streamsize>(seal.size()))) {
    throw FileError(path + ": cannot be read");
  }
  if (!seal.starts_with(mark)) return;
  const std::string stored = seal.substr(mark.size(), digest_digits);
  const std::string found = digest_of_rest(file);
  if (found != stored) throw FileError(path + ": damaged: expected SHA-256 " + stored + ", found " + found);
}

}  // namespace lockstep
