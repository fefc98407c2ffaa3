#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace lockstep {

/// A file in memory, for functions that read files. It has a name: libhdf5 opens no file that was unlinked.
class InputFile {
 public:
  explicit InputFile(std::string_view content) {
    const int descriptor = ::mkstemp(path_.data());
    if (::write(descriptor, content.data(), content.size()) != static_cast<ssize_t>(content.size()))
      std::abort();
    ::close(descriptor);
  }
  ~InputFile() { ::unlink(path_.c_str()); }
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_ = "/dev/shm/lockstep-fuzz-XXXXXX";
};

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace lockstep
