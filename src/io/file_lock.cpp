#include "lockstep/io/file_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
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

int open_or_make(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
  if (descriptor >= 0) return descriptor;
  throw FileError(path + ": expected a file that can be written, found: " +
                  (errno == ELOOP ? "a symbolic link" : std::strerror(errno)));
}

/// 0 or an error's number.
int lock(int descriptor, FileLock::IfHeld if_held) {
  while (::flock(descriptor, if_held == FileLock::IfHeld::wait ? LOCK_EX : LOCK_EX | LOCK_NB) != 0) {
    if (errno != EINTR) return errno;
  }
  return 0;
}

/// Whoever held the lock may have removed the file before letting go of it.
bool is_still_at(const std::string& path, int descriptor) {
  struct stat opened {
  }, found{};
  return ::fstat(descriptor, &opened) == 0 && ::lstat(path.c_str(), &found) == 0 &&
         opened.st_dev == found.st_dev && opened.st_ino == found.st_ino;
}

}  // namespace

FileLock::FileLock(const std::string& path, IfHeld if_held) : descriptor_(open_or_make(path)) {
  int failed = lock(descriptor_, if_held);
  // Some file systems give a file other numbers each time: then it counts as the same after some attempts.
  for (int attempts = 3; failed == 0 && attempts > 0 && !is_still_at(path, descriptor_); --attempts) {
    ::close(std::exchange(descriptor_, -1));
    descriptor_ = open_or_make(path);
    failed = lock(descriptor_, if_held);
  }
  if (failed != 0) {
    if (failed != EWOULDBLOCK) return;
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
