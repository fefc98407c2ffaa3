#pragma once

#include <cstdint>
#include <limits>
#include <string>

#include "lockstep/core/error.hpp"
#include "lockstep/dist/communicator.hpp"
#include "lockstep/train/config.hpp"

namespace lockstep {

class SharedDataset;

/// TrainResult::reason of a run that its observer ended.
inline constexpr const char* halted_reason = "halted";

inline constexpr double not_evaluated = std::numeric_limits<double>::quiet_NaN();

/// What one epoch ended with. NaN where something was not evaluated or has no meaning for the task.
struct EpochMetrics {
  std::uint64_t epoch = 0;  // counts from 1
  std::uint64_t step = 0;   // updates so far
  /// Means over the epoch's rows, taken during the updates, without penalties.
  double loss = not_evaluated, accuracy = not_evaluated;
  double val_loss = not_evaluated, val_accuracy = not_evaluated;    // after the epoch
  double test_loss = not_evaluated, test_accuracy = not_evaluated;  // after the epoch
  // In the epoch just trained; metrics.csv does not tell: an evaluated loss may be NaN, too.
  bool val_evaluated = false, test_evaluated = false;
  double learning_rate = 0;       // of the epoch's last step
  double seconds = 0;             // since the start of training, interruptions excluded
  double samples_per_second = 0;  // over the epoch
};

/// How a run ended.
struct TrainResult {
  ExitStatus status = ExitStatus::done;  // done, or resumable after a signal or limit
  std::string reason;  // "finished", "already finished", "early stopping", "max-steps", "halted", or a
                       // stop_reason()
  std::string run_dir;
  std::string parameters_sha256;
  std::string checkpoint;  // the last one
  EpochMetrics last;       // of the last finished epoch
};

/// Told what happens, on rank 0 only.
class TrainObserver {
 public:
  virtual ~TrainObserver() = default;
  /// After the run directory and the data are ready. `first_step` > 0: resumed.
  virtual void started(const TrainConfig& /*config*/, std::uint64_t /*first_step*/,
                       std::uint64_t /*total_steps*/, std::uint64_t /*steps_per_epoch*/) {}
  /// After a step; the mean loss is that of rank 0's own shards. Called at most some ten times a second.
  virtual void progressed(std::uint64_t /*step*/, double /*local_mean_loss*/, double /*samples_per_second*/) {
  }
  /// Asked before every step: true stops the run resumably, as a signal does.
  virtual bool wants_to_stop() { return false; }
  /// In an evaluation or a checkpoint, every now and then.
  virtual void in_long_phase() {}
  virtual void epoch_finished(const EpochMetrics& /*metrics*/) {}
  /// Asked after epoch_finished(): false ends the run there, for the reason halted_reason.
  virtual bool goes_on_after(const EpochMetrics& /*metrics*/) { return true; }
  virtual void checkpoint_written(const std::string& /*path*/, double /*seconds*/, std::uint64_t /*bytes*/) {}
  /// A line for the user, e.g. "resumed from …", "damaged checkpoint … skipped".
  virtual void message(const std::string& /*text*/) {}
  virtual void ended(const TrainResult& /*result*/) {}
  /// Instead of ended(): train() is about to throw this, after the first step was in reach.
  virtual void failed(const std::string& /*error*/) {}
};

/// Trains as the config says. Collective. `config` is what the user gave; it is resolved here against the
/// dataset. `shared`: the rows of config.data where they are at hand already; the results are the same.
/// Throws AgreedError (same on all ranks) for the user's mistakes and for a non-finite loss.
TrainResult train(const Communicator& world, const TrainConfig& config, TrainObserver& observer,
                  const SharedDataset* shared = nullptr);

}  // namespace lockstep
