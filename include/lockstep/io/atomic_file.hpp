#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <system_error>

namespace lockstep {

/// Replaces the file at `path` in one step: readers see the old content or the whole new one, also after a
/// crash. `write` gets the name of a temporary file in the same directory, has to make and close it; then it
/// is fsynced and renamed, and the directory fsynced. If anything throws, the temporary file is removed and
/// `path` is left as it was. Throws FileError naming the path and the system's reason.
void write_file_atomically(const std::string& path,
                           const std::function<void(const std::string& temporary_path)>& write);

/// The same for a content that is at hand.
void write_file_atomically(const std::string& path, std::string_view content);

/// The same without waiting for the disk: whatever becomes of the process, readers see the old content or the
/// whole new one, but after a power failure the file may be empty. For what is only of passing interest.
void replace_file(const std::string& path, std::string_view content);

/// Throws FileError where writing `path` would fail, as far as that shows beforehand: its directory is
/// missing or may not be written, or it is a directory itself.
void check_can_be_written(const std::string& path);

/// Makes a directory and those above it that are missing, and flushes their names to disk, as far as its file
/// system lets it. Returns the topmost one that was missing; empty if `path` was there. `error` is set if it
/// could not be made or flushed.
std::string make_directories(const std::string& path, std::error_code& error);

/// Makes `link` (in the same directory as `target`) another name of the file `target`, replacing what was
/// there in one step: a hard link, or a copy where the file system has no hard links. Throws FileError.
void link_file_atomically(const std::string& target, const std::string& link);

/// From now on SIGINT, SIGTERM, SIGHUP and SIGUSR1 remove the temporary file that is being written before
/// they end the process. For programs that do nothing else on these signals, and write one file at a time.
void remove_temporary_file_on_signals();

/// Removes the temporary files that write_file_atomically() of a killed process left in `directory`, of the
/// files for whose names `is_ours` returns true. Only for what one process at a time writes.
void remove_temporary_files(const std::string& directory,
                            const std::function<bool(const std::string& name)>& is_ours);

}  // namespace lockstep
