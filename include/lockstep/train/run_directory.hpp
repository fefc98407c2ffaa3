#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "lockstep/io/file_lock.hpp"
#include "lockstep/train/epoch_table.hpp"

namespace lockstep {

struct EpochMetrics;

/// Everything that one run writes (config.toml, metrics.csv, diagnostics.csv, summary.json, checkpoints/,
/// log.txt), locked against other processes while the object lives. Only rank 0 has one. No function is
/// collective.
class RunDirectory {
 public:
  /// Makes the directory where it is missing, with its parents, and locks it. Throws UserError, leaving
  /// behind nothing that was not there, if it cannot be made or written, or if another live process holds it.
  explicit RunDirectory(const std::string& path);
  RunDirectory(const RunDirectory&) = delete;
  RunDirectory& operator=(const RunDirectory&) = delete;

  const std::string& path() const { return path_; }
  std::string config_path() const { return path_ + "/config.toml"; }
  std::string metrics_path() const { return path_ + "/metrics.csv"; }
  std::string summary_path() const { return path_ + "/summary.json"; }
  std::string log_path() const { return path_ + "/log.txt"; }
  std::string checkpoints_path() const { return path_ + "/checkpoints"; }
  std::string lock_path() const { return path_ + "/.lock"; }

  /// Removes what this object made: a new directory with all in it, else an empty checkpoints/ and .lock. For
  /// a mistake of the user found late. Parents that other runs have begun in stay.
  void discard();
  /// From now on there is a run worth keeping: discard() does nothing any more.
  void keep() {
    first_made_.clear();
    made_checkpoints_ = made_lock_ = false;
  }

  /// Removes the unfinished files that a killed process left here.
  void remove_temporary_files() const;

  void write_config(const std::string& toml) const;

  /// Has to be called once before the first append: `epoch` is the last whole epoch of the checkpoint that
  /// the run goes on from, 0 for a new run. Later rows go. Returns how many stay.
  std::size_t open_metrics_after(std::uint64_t epoch);
  void append_metrics(const EpochMetrics& metrics);
  /// diagnostics.csv. Has to be opened, as metrics.csv, before the first append.
  EpochTable& diagnostics() { return diagnostics_; }
  /// Waits until the rows of the tables that were opened are on the disk; to be called before a checkpoint.
  /// Throws FileError, after the other table, too, was tried.
  void sync_tables();
  /// The last row of metrics.csv; epoch 0 if there is none.
  EpochMetrics last_metrics() const;

  /// Replaces summary.json, atomically.
  void write_summary(const nlohmann::json& summary) const;
  /// Whether summary.json is there and tells of these weights.
  bool has_summary_of(const std::string& parameters_sha256) const;

  /// Appends lines to log.txt, each with the time in front. Throws FileError.
  void log(const std::string& text) const;

 private:
  void lock();

  std::string path_;
  std::string first_made_;  // the topmost directory that the constructor made; empty: none
  bool made_checkpoints_ = false, made_lock_ = false;
  std::optional<FileLock> lock_;
  EpochTable metrics_, diagnostics_;
};

}  // namespace lockstep
