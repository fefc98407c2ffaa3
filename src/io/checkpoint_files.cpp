#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <optional>

#include "lockstep/core/error.hpp"
#include "lockstep/io/atomic_file.hpp"
#include "lockstep/io/checkpoint.hpp"

namespace lockstep {
namespace {

namespace fs = std::filesystem;

void mark(const std::string& path, const char* name) {
  link_file_atomically(path, (fs::path(path).parent_path() / name).string());
}

/// Pipes and devices: read to their end, they may never come to it.
bool is_stream(int file) {
  struct stat status {};
  return ::fstat(file, &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode);
}

/// Reads to the end. Returns 0, or the error that it meets.
int read_to_end(int file) {
  std::vector<char> buffer(1 << 20);
  ssize_t count = 0;
  do count = ::read(file, buffer.data(), buffer.size());
  while (count > 0 || (count < 0 && errno == EINTR));
  return count < 0 ? errno : 0;
}

}  // namespace

std::string checkpoint_file_name(std::uint64_t step) {
  std::string digits = std::to_string(step);
  if (digits.size() < 8) digits.insert(0, 8 - digits.size(), '0');
  return "step-" + digits + ".h5";
}

std::optional<std::uint64_t> step_of_checkpoint(const std::string& name) {
  if (!name.starts_with("step-") || !name.ends_with(".h5")) return std::nullopt;
  const std::string digits = name.substr(5, name.size() - 8);
  const bool number =
      !digits.empty() && digits.size() <= 19 && digits.find_first_not_of("0123456789") == std::string::npos;
  return number ? std::optional<std::uint64_t>(std::stoull(digits)) : std::nullopt;
}

std::vector<std::string> checkpoints_newest_first(const std::string& directory) {
  std::vector<std::pair<std::uint64_t, std::string>> found;
  std::error_code error;
  fs::directory_iterator entry(directory, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    const auto step = step_of_checkpoint(entry->path().filename().string());
    std::error_code ignored;
    if (step && !entry->is_directory(ignored)) found.emplace_back(*step, entry->path().string());
  }
  // To take what cannot be read for empty would begin a run anew.
  if (error && error != std::errc::no_such_file_or_directory && error != std::errc::not_a_directory)
    throw FileError(directory + ": " + error.message());
  std::sort(found.rbegin(), found.rend());
  std::vector<std::string> paths;
  for (auto& [step, path] : found) paths.push_back(std::move(path));
  return paths;
}

std::vector<std::string> checkpoints_to_resume(const std::string& directory) {
  std::vector<std::string> paths = checkpoints_newest_first(directory);
  const std::string last = directory + "/last";
  std::error_code ignored;
  const auto is_last = [&](const std::string& path) { return fs::equivalent(path, last, ignored); };
  if (!fs::is_regular_file(last, ignored) || std::ranges::any_of(paths, is_last)) return paths;
  std::uint64_t step = 0;
  if (!damage_found(last, [&] { step = read_checkpoint_state(last).step; }).empty()) return paths;
  const auto older = std::ranges::find_if(paths, [&](const std::string& path) {
    return step_of_checkpoint(fs::path(path).filename().string()) < step;
  });
  paths.insert(older, last);
  return paths;
}

std::string why_unreadable(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);  // a FIFO is not to block it
  if (file < 0) return errno == ENOENT ? "" : std::strerror(errno);
  ::posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);  // what the disk has counts, not what was read before
  const int error = is_stream(file) ? 0 : read_to_end(file);
  ::close(file);
  return error == 0 ? "" : std::strerror(error);
}

std::string damage_found(const std::string& path, const std::function<void()>& read) {
  constexpr int attempts = 2;
  for (int attempt = 1;; ++attempt) {
    try {
      read();
      return "";
    } catch (const FileError& error) {
      if (const std::string reason = why_unreadable(path); !reason.empty()) {
        throw UnreadableError(path + ": cannot be read: " + reason +
                              "; start again when it can, or move it away");
      }
      if (attempt == attempts) return error.what();
    }
  }
}

void delete_old_checkpoints(const std::string& directory, std::size_t keep) {
  const std::vector<std::string> paths = checkpoints_newest_first(directory);
  std::error_code ignored;
  for (std::size_t i = keep; i < paths.size(); ++i) fs::remove(paths[i], ignored);
}

void delete_newer_checkpoints(const std::string& directory, std::uint64_t step) {
  std::error_code ignored;
  for (const std::string& path : checkpoints_newest_first(directory)) {
    if (step_of_checkpoint(fs::path(path).filename().string()) > step) fs::remove(path, ignored);
  }
}

void mark_best_checkpoint(const std::string& path) {
  mark(path, "best");
}
void mark_last_checkpoint(const std::string& path) {
  mark(path, "last");
}

std::string find_checkpoint(const std::string& path) {
  std::error_code ignored, error;
  if (!fs::exists(path, error)) {
    throw FileError(path + ": " + (error ? error.message() : "no such checkpoint or run directory"));
  }
  if (!fs::is_directory(path, ignored)) return path;
  for (const std::string& directory : {path + "/checkpoints", path}) {
    for (const char* name : {"/best", "/last"}) {
      if (fs::is_regular_file(directory + name, ignored)) return directory + name;
    }
    const std::vector<std::string> paths = checkpoints_newest_first(directory);
    if (!paths.empty()) return paths.front();
  }
  throw FileError(path + ": expected a run directory with checkpoints, found none in it");
}

}  // namespace lockstep
