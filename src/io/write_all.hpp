#pragma once

#include <unistd.h>

#include <cerrno>
#include <string_view>

namespace lockstep {

/// 0, or the reason why not everything was written. Disks that fill up and signals make writes short.
inline int write_all(int descriptor, std::string_view content) {
  while (!content.empty()) {
    const ssize_t written = ::write(descriptor, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return written < 0 ? errno : EIO;
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  return 0;
}

}  // namespace lockstep
