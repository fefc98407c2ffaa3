#include "seal.hpp"

#include <algorithm>
#include <fstream>
#include <vector>

#include "lockstep/core/error.hpp"
#include "lockstep/core/sha256.hpp"
#include "lockstep/io/hdf5.hpp"

namespace lockstep {
namespace {

constexpr std::string_view mark = "lockstep sealed file, sha256 of all bytes from 512 on: ";
constexpr std::size_t digest_digits = 64;
constexpr std::size_t seal_buffer_bytes = std::size_t{1} << 20;

/// Digest of what follows the seal; the file stands behind it.
std::string digest_of_rest(std::istream& file) {
  Sha256 digest;
  std::vector<char> buffer(seal_buffer_bytes);
  while (file.read(buffer.data(), static_cast<std::streamsize>(buffer.size())) || file.gcount() > 0) {
    digest.update(std::string_view(buffer.data(), static_cast<std::size_t>(file.gcount())));
  }
  return digest.hex_digest();
}

constexpr std::string_view hdf5_signature = "\x89HDF\r\n\x1a\n";

std::string seal_of(const std::string& digest) {
  std::string seal = std::string(mark) + digest + "\n";
  seal.resize(seal_bytes, '\0');
  return seal;
}

}  // namespace

void write_seal(std::span<char> content) {
  Sha256 digest;
  digest.update(std::string_view(content.data(), content.size()).substr(seal_bytes));
  const std::string seal = seal_of(digest.hex_digest());
  std::copy(seal.begin(), seal.end(), content.begin());
}

void check_seal(const std::string& path) {
  if (file_size_bytes(path) < seal_bytes) return;
  std::ifstream file(path, std::ios::binary);
  std::string seal(seal_bytes, '\0'), begin(hdf5_signature.size(), '\0');
  if (!file.read(seal.data(), static_cast<std::streamsize>(seal.size()))) {
    throw FileError(path + ": cannot be read");
  }
  file.read(begin.data(), static_cast<std::streamsize>(begin.size()));
  file.clear();
  file.seekg(seal_bytes);
  // HDF5 data behind that many bytes are what lockstep writes: damage to the seal itself does not unseal
  // them.
  if (!seal.starts_with(mark) && begin != hdf5_signature) return;
  const std::string found = digest_of_rest(file);
  if (seal == seal_of(found)) return;
  const std::string stored = seal.substr(mark.size(), digest_digits);
  if (seal != seal_of(stored) || stored.find_first_not_of("0123456789abcdef") != std::string::npos) {
    throw FileError(path + ": damaged: expected lockstep's seal in the first " + std::to_string(seal_bytes) +
                    " bytes, found other bytes");
  }
  throw FileError(path + ": damaged: expected SHA-256 " + stored + ", found " + found);
}

}  // namespace lockstep
