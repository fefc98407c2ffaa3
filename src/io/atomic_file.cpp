#include "lockstep/io/atomic_file.hpp"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <vector>

#include "lockstep/core/error.hpp"
#include "write_all.hpp"

namespace lockstep {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view temporary_mark = ".tmp-";

[[noreturn]] void throw_system_error(const std::string& path, const char* what, int error) {
  throw FileError(path + ": " + what + ": " + std::strerror(error));
}

std::string directory_of(const std::string& path) {
  const std::string directory = fs::path(path).parent_path().string();
  return directory.empty() ? "." : directory;
}

/// ".name.tmp-host-123-1": hidden, in the same directory, of this process and call. Processes of several
/// hosts may write into one directory, and those of containers have the same few numbers.
std::string temporary_name(const std::string& path) {
  static std::atomic<unsigned> calls{0};
  char host[256] = "";
  ::gethostname(host, sizeof host - 1);
  return directory_of(path) + "/." + fs::path(path).filename().string() + std::string(temporary_mark) + host +
         "-" + std::to_string(::getpid()) + "-" + std::to_string(++calls);
}

// Handlers reach only what is global and lock-free.
std::atomic<const char*> file_to_remove = nullptr;
static_assert(std::atomic<const char*>::is_always_lock_free);

extern "C" void remove_file_and_end(int signal) {
  if (const char* const path = file_to_remove) ::unlink(path);
  ::signal(signal, SIG_DFL);
  ::raise(signal);
}

/// Removes its file unless it was renamed.
class TemporaryFile {
 public:
  explicit TemporaryFile(std::string path) : path_(std::move(path)) { file_to_remove = path_.c_str(); }
  ~TemporaryFile() {
    if (!path_.empty()) ::unlink(path_.c_str());
    file_to_remove = nullptr;
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  const std::string& path() const { return path_; }
  void rename_to(const std::string& target) {
    if (::rename(path_.c_str(), target.c_str()) != 0)
      throw_system_error(target, "cannot rename to it", errno);
    path_.clear();
  }

 private:
  std::string path_;
};

/// Returns the error of what failed, or 0.
int flush_error(const std::string& path, int flags) {
  const int descriptor = ::open(path.c_str(), flags | O_CLOEXEC);
  if (descriptor < 0) return errno;
  // Some file systems cannot sync directories and say EINVAL; nothing can be done there.
  const int error = ::fsync(descriptor) != 0 && errno != EINVAL ? errno : 0;
  ::close(descriptor);
  return error;
}

void sync_path(const std::string& path, int flags) {
  const int error = flush_error(path, flags);
  if (error != 0) throw_system_error(path, "cannot flush to disk", error);
}

/// `path` is what messages name.
void write_new_file(const std::string& path, const std::string& temporary_path, std::string_view content) {
  const int descriptor = ::open(temporary_path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (descriptor < 0) throw_system_error(path, "cannot be written", errno);
  const int error = write_all(descriptor, content);
  // Network file systems may say only now that there was no room.
  const bool closed = ::close(descriptor) == 0;
  if (error != 0 || !closed) throw_system_error(path, "cannot be written", error != 0 ? error : errno);
}

}  // namespace

void check_can_be_written(const std::string& path) {
  const std::string directory = directory_of(path);
  std::error_code error;
  if (!fs::is_directory(directory, error)) {
    throw FileError(path + ": cannot be written: '" + directory + "' is not an existing directory");
  }
  if (fs::is_directory(path, error)) throw FileError(path + ": cannot be written: it is a directory");
  if (::access(directory.c_str(), W_OK | X_OK) != 0) {
    throw_system_error(path, "cannot be written", errno);
  }
}

void write_file_atomically(const std::string& path,
                           const std::function<void(const std::string& temporary_path)>& write) {
  check_can_be_written(path);
  TemporaryFile temporary(temporary_name(path));
  write(temporary.path());
  sync_path(temporary.path(), O_RDONLY);
  temporary.rename_to(path);
  sync_path(directory_of(path), O_RDONLY | O_DIRECTORY);
}

void write_file_atomically(const std::string& path, std::string_view content) {
  write_file_atomically(
      path, [&](const std::string& temporary_path) { write_new_file(path, temporary_path, content); });
}

void replace_file(const std::string& path, std::string_view content) {
  check_can_be_written(path);
  TemporaryFile temporary(temporary_name(path));
  write_new_file(path, temporary.path(), content);
  temporary.rename_to(path);
}

std::string make_directories(const std::string& path, std::error_code& error) {
  fs::path whole = fs::absolute(path).lexically_normal();
  if (whole.filename().empty()) whole = whole.parent_path();  // ends in a slash
  std::vector<fs::path> missing;                              // from below
  // A link to nothing is not missing, or callers would take it for theirs.
  for (fs::path at = whole; at.has_relative_path() && !fs::exists(fs::symlink_status(at, error));
       at = at.parent_path()) {
    missing.push_back(at);
  }
  fs::create_directories(whole, error);
  for (const fs::path& made : missing) {
    if (error) break;
    const int failure = flush_error(made.parent_path().string(), O_RDONLY | O_DIRECTORY);
    // A directory that may not be read cannot be flushed.
    if (failure != 0 && failure != EACCES) error.assign(failure, std::generic_category());
  }
  return missing.empty() ? "" : missing.back().string();
}

void link_file_atomically(const std::string& target, const std::string& link) {
  TemporaryFile temporary(temporary_name(link));
  if (::link(target.c_str(), temporary.path().c_str()) != 0) {
    std::error_code error;
    fs::copy_file(target, temporary.path(), error);
    if (error) throw FileError(link + ": cannot be written as a copy of " + target + ": " + error.message());
    sync_path(temporary.path(), O_RDONLY);
  }
  // rename() does nothing at all, and leaves the temporary name, where both are the same file already.
  std::error_code ignored;
  if (fs::equivalent(temporary.path(), link, ignored)) return;
  temporary.rename_to(link);
  sync_path(directory_of(link), O_RDONLY | O_DIRECTORY);
}

void remove_temporary_file_on_signals() {
  struct sigaction action {};
  action.sa_handler = remove_file_and_end;
  sigfillset(&action.sa_mask);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGUSR1}) {
    struct sigaction former {};
    ::sigaction(signal, nullptr, &former);
    // What a shell ignores for a job in the background stays ignored.
    if (former.sa_handler != SIG_IGN) ::sigaction(signal, &action, nullptr);
  }
}

void remove_temporary_files(const std::string& directory,
                            const std::function<bool(const std::string& name)>& is_ours) {
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory, error)) {
    const std::string found = entry.path().filename().string();
    const std::size_t mark = found.find(temporary_mark);
    const bool temporary = found.starts_with('.') && mark != std::string::npos;
    if (temporary && is_ours(found.substr(1, mark - 1))) fs::remove(entry.path(), error);
  }
}

}  // namespace lockstep
