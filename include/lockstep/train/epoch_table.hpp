#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace lockstep {

/// A CSV file that grows by rows whose first column is the epoch, e.g. metrics.csv. A process killed at any
/// instant leaves at most one torn line at its end, which open_after() removes.
class EpochTable {
 public:
  /// Touches no file yet. `columns` without "epoch", which comes first.
  EpochTable(std::string path, std::vector<std::string> columns);

  /// Prepares the file for rows of epochs after `epoch`: rows of later epochs and torn lines go, by an atomic
  /// rewrite; a missing file is made with its header. Returns how many rows stay. Throws FileError if the
  /// file is not such a table.
  std::size_t open_after(std::uint64_t epoch);
  bool is_open() const { return whole_bytes_ > 0; }

  /// Appends the rows of an epoch (the cells behind the first) in a single write; to be called after
  /// open_after(). A file that was deleted or cut off meanwhile is written again. Throws FileError if the
  /// disk refuses the rows: then they are written with the next append() or sync().
  void append(std::uint64_t epoch, const std::vector<std::vector<std::string>>& rows);
  /// Waits until the rows are on the disk; to be called before a checkpoint that counts on them. Throws
  /// FileError.
  void sync();

  /// The cells of the last row, the epoch first; empty if there is no row. To be called after open_after().
  std::vector<std::string> last_row() const;

  const std::string& path() const { return path_; }
  /// The header line, without newline.
  const std::string& header() const { return header_; }

 private:
  bool has_whole_rows() const;
  void write_rest();

  std::string path_;
  std::string header_;
  std::string text_;             // header and rows, as the file has to be
  std::size_t whole_bytes_ = 0;  // of them known to be written; what is behind may be torn
  bool distrusted_ = false;      // a sync failed: the kernel may have dropped what it could not write
};

/// A cell: blank for NaN, else the shortest text that reads back as the same number.
std::string csv_cell(double value);

}  // namespace lockstep
