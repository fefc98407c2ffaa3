#include "idx_file.hpp"

#include <array>
#include <cstdio>

#include "lockstep/core/error.hpp"
#include "lockstep/io/available_memory.hpp"
#include "lockstep/io/hdf5.hpp"

namespace lockstep {
namespace {

constexpr std::size_t unsigned_bytes = 0x08;

std::string hexadecimal(std::uint32_t number) {
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "0x%08x", number);
  return text.data();
}

std::uint32_t read_big_endian(ByteSource& source) {
  std::array<std::byte, 4> bytes{};
  const std::size_t count = source.read(bytes);
  if (count < bytes.size()) {
    throw FileError(source.path() + ": expected an IDX header, found the end of the file");
  }
  std::uint32_t number = 0;
  for (const std::byte byte : bytes) number = number << 8 | std::to_integer<std::uint32_t>(byte);
  return number;
}

}  // namespace

IdxFile::IdxFile(const std::string& path, std::size_t least_rank, std::size_t most_rank, const char* what)
    : source_(path) {
  const std::uint32_t magic = read_big_endian(source_);
  const std::size_t rank = magic & 0xff;
  if (magic >> 8 != unsigned_bytes || rank < least_rank || rank > most_rank) {
    throw FileError(path + ": expected magic number " +
                    hexadecimal(static_cast<std::uint32_t>(0x800 | most_rank)) + " (" + what +
                    " in IDX format), found " + hexadecimal(magic));
  }
  for (std::size_t axis = 0; axis < rank; ++axis) shape_.push_back(read_big_endian(source_));
  check_size(what);
}

void IdxFile::check_size(const char* what) {
  bool overflow = false;
  for (std::size_t axis = 1; axis < shape_.size(); ++axis) {
    overflow |= __builtin_mul_overflow(row_bytes_, shape_[axis], &row_bytes_);
  }
  std::size_t bytes = 0;
  overflow |= __builtin_mul_overflow(row_bytes_, rows(), &bytes);
  if (overflow || bytes > source_.most_bytes()) {
    throw FileError(path() + ": its header promises " + what + " of shape " + shape_text(shape_) +
                    ", more than the file can hold");
  }
  if (bytes == 0) throw FileError(path() + ": expected " + what + ", found shape " + shape_text(shape_));
}

void IdxFile::read_rows(std::size_t count, std::vector<std::uint8_t>& out) {
  if (count * row_bytes_ > out.capacity()) check_memory_available(count * row_bytes_, path());
  out.resize(count * row_bytes_);
  const std::size_t found = source_.read(std::as_writable_bytes(std::span(out)));
  if (found < out.size()) {
    throw FileError(path() + ": expected " + std::to_string(rows()) + " rows of " +
                    std::to_string(row_bytes_) + " bytes, found " +
                    std::to_string(rows_read_ * row_bytes_ + found) + " bytes");
  }
  rows_read_ += count;
}

std::vector<std::uint8_t> IdxFile::read_all() {
  std::vector<std::uint8_t> bytes;
  read_rows(rows(), bytes);
  expect_end();
  return bytes;
}

void IdxFile::expect_end() {
  std::array<std::byte, 1> more{};
  if (source_.read(more) != 0) {
    throw FileError(path() + ": expected its end after " + std::to_string(rows()) + " rows of " +
                    std::to_string(row_bytes_) + " bytes, found more bytes");
  }
}

bool looks_like_idx(const std::string& path) {
  ByteSource source(path);
  std::array<std::byte, 4> bytes{};
  return source.read(bytes) == 4 && bytes[0] == std::byte{0} && bytes[1] == std::byte{0} &&
         bytes[2] == std::byte{unsigned_bytes};
}

}  // namespace lockstep
