#pragma once

#include <string>
#include <utility>

#include "lockstep/core/error.hpp"

namespace lockstep {

/// Another live process holds a lock. The message says who.
class LockedError : public UserError {
 public:
  using UserError::UserError;
};

/// Holds a file, made where it is missing, against other processes while the object lives. The lock is the
/// kernel's: it goes with the process, however that ends, and the file stays. On file systems without locks
/// (some mounts of Lustre and NFS) it is as if nobody else were there.
class FileLock {
 public:
  enum class IfHeld { fail, wait };
  /// Throws LockedError if it is held and not to be waited for, FileError if the file cannot be
  /// made, or is a symbolic link: what that leads to would be written over.
  explicit FileLock(const std::string& path, IfHeld if_held = IfHeld::fail);
  ~FileLock();
  FileLock(FileLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  FileLock& operator=(FileLock&&) = delete;

 private:
  int descriptor_;
};

}  // namespace lockstep
