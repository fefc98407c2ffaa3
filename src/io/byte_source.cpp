#include "byte_source.hpp"

#include <algorithm>

#include "lockstep/core/checked_cast.hpp"
#include "lockstep/io/hdf5.hpp"

namespace lockstep {
namespace {

constexpr std::size_t source_buffer_bytes = std::size_t{256} << 10;
constexpr int gzip_window_bits = 15 + 16;           // 16: gzip's header and check sum
constexpr std::uint64_t most_expansion = 1032 + 1;  // deflate's limit

bool starts_as_gzip(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return file.get() == 0x1f && file.get() == 0x8b;
}

}  // namespace

ByteSource::ByteSource(const std::string& path)
    : path_(path),
      file_bytes_(file_size_bytes(path)),
      file_(path, std::ios::binary),
      buffer_(std::min<std::uint64_t>(source_buffer_bytes, file_bytes_ + 1)) {
  if (!file_) throw FileError(path + ": cannot be opened for reading");
  compressed_ = starts_as_gzip(path);
  if (compressed_ && inflateInit2(&stream_, gzip_window_bits) != Z_OK) {
    throw FileError(path + ": zlib cannot be set up");
  }
}

ByteSource::~ByteSource() {
  if (compressed_) inflateEnd(&stream_);
}

std::uint64_t ByteSource::most_bytes() const {
  return compressed_ ? file_bytes_ * most_expansion : file_bytes_;
}

std::size_t ByteSource::read(std::span<std::byte> out) {
  if (compressed_) return inflate_into(out);
  file_.read(reinterpret_cast<char*>(out.data()), static_cast<std::streamsize>(out.size()));
  if (file_.bad()) throw FileError(path_ + ": cannot be read");
  return static_cast<std::size_t>(file_.gcount());
}

bool ByteSource::refill() {
  if (stream_.avail_in > 0) return true;
  file_.read(reinterpret_cast<char*>(buffer_.data()), static_cast<std::streamsize>(buffer_.size()));
  if (file_.bad()) throw FileError(path_ + ": cannot be read");
  stream_.next_in = reinterpret_cast<Bytef*>(buffer_.data());
  stream_.avail_in = static_cast<uInt>(file_.gcount());
  return stream_.avail_in > 0;
}

std::size_t ByteSource::inflate_into(std::span<std::byte> out) {
  std::size_t done = 0;
  while (done < out.size() && !ended_) {
    if (!refill()) throw FileError(path_ + ": torn gzip file: it ends within the compressed data");
    const std::size_t wanted = std::min<std::size_t>(out.size() - done, source_buffer_bytes);
    stream_.next_out = reinterpret_cast<Bytef*>(out.data() + done);
    stream_.avail_out = static_cast<uInt>(wanted);
    const int status = inflate(&stream_, Z_NO_FLUSH);
    done += wanted - stream_.avail_out;
    if (status == Z_STREAM_END) {
      finish_member();
    } else if (status != Z_OK && status != Z_BUF_ERROR) {
      throw FileError(path_ + ": damaged gzip file: " +
                      (stream_.msg != nullptr ? stream_.msg : "its data cannot be decompressed"));
    }
  }
  return done;
}

/// A gzip file may hold several members one after the other; anything else after a member does not belong
/// there.
void ByteSource::finish_member() {
  if (!refill()) {
    ended_ = true;
    return;
  }
  if (*stream_.next_in != 0x1f) throw FileError(path_ + ": found bytes after the end of the gzip data");
  inflateReset(&stream_);
}

}  // namespace lockstep
