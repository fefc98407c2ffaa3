#pragma once

#include <chrono>
#include <limits>
#include <optional>
#include <string>

#include "lockstep/io/checkpoint.hpp"
#include "lockstep/train/run_directory.hpp"
#include "lockstep/train/train_step.hpp"
#include "lockstep/train/trainer.hpp"

namespace lockstep {

/// Where a run stands between two steps.
struct TrainProgress {
  explicit TrainProgress(std::size_t shards) : sums(shards) {}
  std::uint64_t epoch = 0;                                       // finished ones
  std::uint64_t step_in_epoch = 0;                               // finished steps of the epoch begun
  std::uint64_t step = 0;                                        // finished steps
  EpochSums sums;                                                // of the epoch begun
  double best_value = std::numeric_limits<double>::quiet_NaN();  // of the monitored metric; NaN: none yet
  std::uint64_t best_epoch = 0;
  std::uint64_t epochs_without_improvement = 0;
  double seconds_before = 0;  // trained by earlier processes of the run
};

/// Rank 0 tells the others with the gradients that a time-based checkpoint is due.
inline constexpr StepFlags step_flag_checkpoint_due = 4;

/// Writes and reads the checkpoints of one run. Files are written by rank 0 alone; functions are collective
/// unless they say otherwise. With --verify-every, those that keep or write a state throw AgreedError where
/// the copies of its weights differ.
template <class T>
class Checkpointer {
 public:
  /// `run_directory`: on rank 0 only. `board`, if any, is told that reading and writing go on.
  Checkpointer(const Communicator& world, const TrainConfig& config, const DatasetInfo& dataset,
               const ParameterLayout& layout, Range own_shards, RunDirectory* run_directory,
               TrainObserver& observer, ProgressBoard* board = nullptr);

  /// Goes on from where --resume says, if there is something to go on from. A damaged checkpoint is reported
  /// and the one before it is taken. Throws AgreedError if the checkpoint belongs to another config or
  /// dataset.
  bool restore(TrainState<T>& state, TrainProgress& progress);

  /// Not collective: whether a time-based checkpoint is due on this rank's clock.
  bool interval_is_over() const;
  /// Not collective, equal on all ranks.
  bool due_after_step(const TrainProgress& progress, StepFlags flags) const;
  bool due_after_epoch(const TrainProgress& progress) const;

  /// Writes the best state not yet on disk, if any, then the present one. A disk that refuses is a warning:
  /// what is there stays, and the next write tries again. Throws AgreedError where a number is not finite.
  void write(TrainState<T>& state, const TrainProgress& progress, double seconds);

  /// The same for the state that a run ends with: tries several times, then throws AgreedError. Rows of the
  /// run's tables that cannot be written are a warning here, too.
  void write_last(TrainState<T>& state, const TrainProgress& progress, double seconds);

  /// Not collective: about how long a checkpoint takes, before one was written.
  double expected_seconds(const TrainState<T>& state) const;

  /// Keeps the present state as the best, to be written with the next checkpoint: many improvements in a
  /// short time cost no more than one write.
  void remember_best(TrainState<T>& state, const TrainProgress& progress, double seconds);

  /// Writes the best state not yet on disk, for a run that cannot go on. A disk that refuses is a warning.
  void write_best();

  /// Whether this object wrote one. Rank 0 only.
  bool has_written() const { return has_written_; }

  /// The last checkpoint written or restored from; empty if none. Rank 0 only.
  const std::string& last_path() const { return last_path_; }

  /// For messages about a run that cannot go on: "the newest checkpoint is …". Ranks but 0 know of none.
  std::string newest_text() const;

 private:
  /// A state with all its tensors, on rank 0. write_file adds the digest, and what is the same for all states
  /// of a run.
  struct Snapshot {
    CheckpointState state;
    std::vector<T> parameters;
    OptimizerSlots<T> slots;
  };
  Snapshot take_snapshot(TrainState<T>& state, const TrainProgress& progress, double seconds);
  void write_file(const std::string& path, const Snapshot& snapshot) const;
  std::optional<std::string> nonfinite_tensor(const Snapshot& snapshot) const;
  void refuse_nonfinite(const Snapshot& snapshot, const TrainProgress& progress) const;
  void save_best();
  void save_earlier_best(const Snapshot& present);
  void sync_tables();
  void save(const Snapshot& snapshot);
  bool try_to_save(const Snapshot& snapshot);
  void restore_best(const CheckpointState& restored) const;
  std::vector<std::string> candidates() const;
  std::vector<std::string> named_candidates() const;
  Snapshot read(const std::string& path) const;
  std::optional<Snapshot> newest_valid() const;
  void check_same_run(const CheckpointState& state, const std::string& path) const;
  void warn_of_other_arithmetic(const CheckpointState& state) const;
  void beat() const {
    if (board_ != nullptr) board_->beat();
  }
  void share(Snapshot& snapshot, TrainState<T>& state, TrainProgress& progress);

  const Communicator& world_;
  const TrainConfig& config_;
  const DatasetInfo& dataset_;
  const ParameterLayout& layout_;
  Range own_shards_;
  RunDirectory* run_directory_;
  TrainObserver& observer_;
  ProgressBoard* board_;
  std::optional<Snapshot> best_;  // not yet on disk; rank 0 only
  std::chrono::steady_clock::time_point last_write_ = std::chrono::steady_clock::now();
  mutable std::string last_path_;
  std::string refusal_;  // of the last write that failed; rank 0 only
  bool has_written_ = false;
  bool tables_behind_ = false;  // the last checkpoint was written without rows of its epochs; rank 0 only
};

/// What the bits of a run depend on beside config and dataset, on this machine: with openblas its version,
/// its core name and the instruction set. Key → text.
std::map<std::string, std::string> arithmetic_environment(Arithmetic arithmetic);

/// What evaluate and predict need to know of a resolved config.
ModelDescription describe_model(const TrainConfig& config, const DatasetInfo& dataset);

}  // namespace lockstep
