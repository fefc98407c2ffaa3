#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "lockstep/io/file_lock.hpp"
#include "lockstep/train/trainer.hpp"

namespace lockstep {

enum class TrialStatus {
  waiting,  // never begun
  running,  // begun; or its process was killed
  stopped,  // by a signal or limit; goes on from its checkpoint
  finished,
  halted,  // by successive halving
  failed,
};
std::string status_name(TrialStatus status);

/// What successive halving decided for a trial after an epoch.
struct HalvingDecision {
  std::uint64_t epoch = 0;
  double value = not_evaluated;
  std::uint64_t better = 0;  // trials with a better value at that epoch, of
  std::uint64_t among = 0;   // those that had come so far, this one included
  bool goes_on = true;
};

/// What is known of one trial.
struct TrialRecord {
  std::string digest;
  TrialStatus status = TrialStatus::waiting;
  std::string message;  // why it failed, or how it ended
  std::vector<std::pair<std::string, std::string>> settings;
  EpochMetrics last;  // of the last finished epoch
  std::string parameters_sha256;
  std::string host;    // where it ran last,
  int ranks = 0;       // and on how many ranks
  double seconds = 0;  // over all attempts
  std::uint64_t attempts = 0;
  std::vector<HalvingDecision> halving;
};

/// The value of a column of metrics.csv.
double metric_value(const EpochMetrics& metrics, const std::string& name);

/// What a sweep knows of its trials: a directory with one small file a trial, replaced as a whole, so that no
/// moment of a crash leaves a torn one, and no server or lock on a common file is needed. Several jobs may
/// use one ledger; a trial belongs to the one that holds its lock. Functions throw FileError; none is
/// collective.
class Ledger {
 public:
  /// Makes the directories where they are missing. Throws UserError if it cannot.
  explicit Ledger(std::string sweep_directory);

  /// Waiting if nothing is known, or if the file is damaged, which the message says then: the run directory
  /// knows better than any record how far a trial has come.
  TrialRecord read(const std::string& digest) const;
  /// A trial that runs is noted in passing, without waiting for the disk.
  void write(const TrialRecord& record) const;
  /// Throws LockedError if another live process has the trial.
  FileLock lock(const std::string& digest) const;
  /// Waits for its turn to write what is made of all records.
  FileLock lock_results() const;

  /// The values that trials had after an epoch at which successive halving decides. Digest → value.
  /// Both throw FileError for what the disk refuses.
  void write_rung(std::uint64_t epoch, const std::string& digest, double value) const;
  /// Adds those that are not in `known` yet.
  void read_rung(std::uint64_t epoch, std::map<std::string, double>& known) const;

  const std::string& directory() const { return directory_; }

 private:
  std::string record_path(const std::string& digest) const;
  std::string rung_path(std::uint64_t epoch) const;

  std::string directory_;
};

}  // namespace lockstep
