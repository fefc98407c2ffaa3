#include "lockstep/io/text_file.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <optional>
#include <span>

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

/// A file that is open for reading, without waiting for what a FIFO does not have yet.
class Descriptor {
 public:
  explicit Descriptor(const std::string& path)
      : path_(path), number_(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC)) {
    if (number_ < 0) refuse_unreadable(path, errno);
  }
  ~Descriptor() { ::close(number_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  /// Whether there is something to read, or an end, within the time.
  bool wait(std::chrono::milliseconds time) const {
    const auto end = std::chrono::steady_clock::now() + time;
    for (;;) {
      pollfd waiting{number_, POLLIN, 0};
      const auto rest =
          std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now()).count();
      const int found = ::poll(&waiting, 1, static_cast<int>(std::max<std::int64_t>(rest, 0)));
      if (found >= 0 || errno != EINTR) return found > 0;
    }
  }

  /// Nothing if a writer has nothing yet; 0 at the end, and where nobody writes.
  std::optional<std::size_t> read(std::span<char> out) const {
    ssize_t bytes = 0;
    do {
      bytes = ::read(number_, out.data(), out.size());
    } while (bytes < 0 && errno == EINTR);
    if (bytes >= 0) return static_cast<std::size_t>(bytes);
    if (errno != EAGAIN) refuse_unreadable(path_, errno);
    return std::nullopt;
  }

 private:
  std::string path_;
  int number_;
};

constexpr std::chrono::seconds patience{5};

/// A writer may open a FIFO after its reader, and may take its time.
void wait_for_writer(const Descriptor& fifo, const std::string& path, std::string& text) {
  std::array<char, 1> first{};
  while (!fifo.wait(patience)) {
    const auto bytes = fifo.read(first);
    if (bytes == std::size_t{0}) {
      throw FileError(path +
                      ": expected a file, or a FIFO that somebody writes to, found a FIFO without a writer");
    }
    if (bytes) text += first[0];
  }
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
  const Descriptor file(path);
  std::string text;
  if (type == fs::file_type::fifo) wait_for_writer(file, path, text);
  std::array<char, 1 << 16> buffer;
  for (auto bytes = file.read(buffer); bytes != std::size_t{0}; bytes = file.read(buffer)) {
    if (!bytes) file.wait(patience);
    text.append(buffer.data(), bytes.value_or(0));
    if (text.size() > most_bytes) refuse("more");
  }
  return text;
}

}  // namespace lockstep
