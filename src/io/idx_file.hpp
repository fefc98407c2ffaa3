#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "byte_source.hpp"

namespace lockstep {

/// A file in MNIST's IDX format, of unsigned bytes: magic number 00 00 08 rank, the extents as big-endian
/// 32-bit numbers, then the bytes row-major. Throws FileError for other types, for a header that promises
/// more than the file can hold, and for bytes that are missing or too many.
class IdxFile {
 public:
  /// Reads the header. `what` ("images", "labels") stands in messages.
  IdxFile(const std::string& path, std::size_t least_rank, std::size_t most_rank, const char* what);

  const std::vector<std::size_t>& shape() const { return shape_; }
  std::size_t rows() const { return shape_[0]; }
  std::size_t row_bytes() const { return row_bytes_; }
  const std::string& path() const { return source_.path(); }

  /// The next `count` rows.
  void read_rows(std::size_t count, std::vector<std::uint8_t>& out);
  /// All rows; checks that nothing follows.
  std::vector<std::uint8_t> read_all();
  /// Checks that nothing follows the rows read.
  void expect_end();

 private:
  void check_size(const char* what);

  ByteSource source_;
  std::vector<std::size_t> shape_;
  std::size_t row_bytes_ = 1;
  std::size_t rows_read_ = 0;
};

/// Whether a file, decompressed, starts with an IDX magic number of unsigned bytes.
bool looks_like_idx(const std::string& path);

}  // namespace lockstep
