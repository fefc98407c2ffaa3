#include "lockstep/train/epoch_table.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <utility>

#include "lockstep/core/error.hpp"
#include "lockstep/core/text.hpp"
#include "lockstep/io/atomic_file.hpp"
#include "lockstep/io/text_file.hpp"

namespace lockstep {
namespace {

/// The epoch of a whole row; 0 for anything else.
std::uint64_t epoch_of(std::string_view line, std::size_t columns) {
  const bool whole = static_cast<std::size_t>(std::count(line.begin(), line.end(), ',')) + 1 == columns;
  std::uint64_t epoch = 0;
  const auto parsed = std::from_chars(line.data(), line.data() + line.size(), epoch);
  return whole && parsed.ec == std::errc() && *parsed.ptr == ',' ? epoch : 0;
}

/// A file that is written in place. Closes itself, silently, where nobody waits to hear of it.
class Descriptor {
 public:
  Descriptor(const std::string& path, int flags)
      : descriptor_(::open(path.c_str(), flags | O_NOFOLLOW | O_CLOEXEC)), path_(path) {
    if (descriptor_ < 0) fail("open");
  }
  ~Descriptor() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  void write_at(std::size_t position, std::string_view text) const {
    while (!text.empty()) {
      const ssize_t written = ::pwrite(descriptor_, text.data(), text.size(), static_cast<off_t>(position));
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) fail("write");
      position += static_cast<std::size_t>(written);
      text.remove_prefix(static_cast<std::size_t>(written));
    }
  }
  void sync() const {
    if (::fdatasync(descriptor_) != 0) fail("sync");
  }
  /// Network file systems may say only now that there was no room.
  void close() {
    if (::close(std::exchange(descriptor_, -1)) != 0) fail("close");
  }

 private:
  [[noreturn]] void fail(const char* what) const {
    throw FileError(path_ + ": expected to " + what + " it, found: " + std::strerror(errno));
  }
  int descriptor_;
  std::string path_;
};

}  // namespace

EpochTable::EpochTable(std::string path, std::vector<std::string> columns) : path_(std::move(path)) {
  columns.insert(columns.begin(), "epoch");
  header_ = join(columns, ",");
}

std::size_t EpochTable::open_after(std::uint64_t epoch) {
  const std::string found = std::filesystem::exists(path_) ? read_text_file(path_) : "";
  const std::string header_line = header_ + "\n";
  // A process killed while it made the file leaves a part of the header.
  const bool only_header = found.size() < header_line.size() && header_line.starts_with(found);
  if (!only_header && !found.starts_with(header_line)) {
    throw FileError(path_ + ": expected a table with the header '" + header_ + "', found " +
                    in_quotes(found.substr(0, found.find('\n'))));
  }

  const auto columns = static_cast<std::size_t>(std::count(header_.begin(), header_.end(), ',')) + 1;
  std::string kept = header_line;
  std::size_t rows = 0;
  for (std::size_t begin = header_line.size(); begin < found.size();) {
    const std::size_t end = found.find('\n', begin);
    if (end == std::string::npos) break;
    const std::string_view line = std::string_view(found).substr(begin, end - begin);
    const std::uint64_t line_epoch = epoch_of(line, columns);
    if (line_epoch > 0 && line_epoch <= epoch) {
      kept.append(line).append("\n");
      ++rows;
    }
    begin = end + 1;
  }
  if (kept != found) write_file_atomically(path_, kept);
  whole_bytes_ = kept.size();
  text_ = std::move(kept);
  return rows;
}

/// Nobody deleted the file or cut it off.
bool EpochTable::has_whole_rows() const {
  std::error_code unknown;
  const std::uintmax_t bytes = std::filesystem::file_size(path_, unknown);
  return !unknown && bytes >= whole_bytes_;
}

// Not O_APPEND: what a failed write left behind the whole rows is written over.
void EpochTable::write_rest() {
  if (has_whole_rows()) {
    Descriptor file(path_, O_WRONLY);
    file.write_at(whole_bytes_, std::string_view(text_).substr(whole_bytes_));
    file.close();
  } else {
    write_file_atomically(path_, text_);
  }
  whole_bytes_ = text_.size();
}

void EpochTable::append(std::uint64_t epoch, const std::vector<std::vector<std::string>>& rows) {
  for (const std::vector<std::string>& cells : rows) {
    text_ += std::to_string(epoch) + "," + join(cells, ",") + "\n";
  }
  write_rest();
}

void EpochTable::sync() {
  if (whole_bytes_ < text_.size() || !has_whole_rows()) write_rest();
  if (distrusted_) write_file_atomically(path_, text_);
  distrusted_ = true;
  Descriptor file(path_, O_WRONLY);
  file.sync();
  file.close();
  distrusted_ = false;
}

std::vector<std::string> EpochTable::last_row() const {
  std::string text = read_text_file(path_);
  if (text.ends_with('\n')) text.pop_back();
  const std::string line = text.substr(text.rfind('\n') + 1);  // of npos: the whole text
  if (line == header_) return {};
  std::vector<std::string> cells;
  for (std::size_t begin = 0; begin <= line.size();) {
    const std::size_t end = std::min(line.find(',', begin), line.size());
    cells.push_back(line.substr(begin, end - begin));
    begin = end + 1;
  }
  return cells;
}

std::string csv_cell(double value) {
  return std::isnan(value) ? "" : format_exact(value);
}

}  // namespace lockstep
