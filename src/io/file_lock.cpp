#include "lockstep/io/file_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "lockstep/io/text_file.hpp"
#include "write_all.hpp"

namespace lockstep {
namespace {

std::string host_and_process() {
  char host[256] = "";
  ::gethostname(host, sizeof host - 1);
  return "process " + std::to_string(::getpid()) + " on " + host;
}

/// Of the lock that another process has.
std::string owner_in(const std::string& path) {
  try {
    return read_text_file(path);
  } catch (const std::runtime_error&) {
    return "another process";
  }
}

}  // namespace

FileLock::FileLock(const std::string& path, IfHeld if_held)
    : descriptor_(::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644)) {
  if (descriptor_ < 0)
    throw FileError(path + ": expected a file that can be written, found: " +
                    (errno == ELOOP ? "a symbolic link" : std::strerror(errno)));
  int failed = 0;
  do {
    failed = ::flock(descriptor_, if_held == IfHeld::wait ? LOCK_EX : LOCK_EX | LOCK_NB);
  } while (failed != 0 && errno == EINTR);
  if (failed != 0) {
    if (errno != EWOULDBLOCK) return;
    ::close(descriptor_);
    throw LockedError("in use by " + owner_in(path));
  }
  const std::string owner = host_and_process();
  const int error = ::ftruncate(descriptor_, 0) == 0 ? write_all(descriptor_, owner) : errno;
  if (error == 0) return;
  ::close(descriptor_);
  throw FileError(path + ": cannot be written: " + std::strerror(error));
}

FileLock::~FileLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

}  // namespace lockstep
