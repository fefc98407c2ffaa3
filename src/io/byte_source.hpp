#pragma once

#include <zlib.h>

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace lockstep {

/// The bytes of a file from front to back, decompressed if it starts as gzip does. Unlike zlib's gzread() it
/// tells a torn or damaged stream, and bytes after it, apart from a file that has just ended. Throws
/// FileError.
class ByteSource {
 public:
  explicit ByteSource(const std::string& path);
  ~ByteSource();
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;

  /// Fills `out` as far as there are bytes; returns their number, less than asked for only at the end.
  std::size_t read(std::span<std::byte> out);

  const std::string& path() const { return path_; }
  /// No more than these bytes can follow: the file's size, times the highest compression that gzip has.
  std::uint64_t most_bytes() const;

 private:
  bool refill();
  std::size_t inflate_into(std::span<std::byte> out);
  void finish_member();

  std::string path_;
  std::uint64_t file_bytes_;
  std::ifstream file_;
  std::vector<std::byte> buffer_;
  bool compressed_ = false;
  bool ended_ = false;  // after the last byte of the last gzip member
  z_stream stream_{};
};

}  // namespace lockstep
