#pragma once

#include <string>

#include "lockstep/train/run_directory.hpp"
#include "lockstep/train/trainer.hpp"

namespace lockstep {

/// Passes everything on and keeps it in the run directory's log.txt, as far as --log-level asks for it.
class LoggingObserver : public TrainObserver {
 public:
  /// Both have to outlive the object. `log_level`: "error", "warn", "info" or "debug".
  LoggingObserver(TrainObserver& next, const RunDirectory& run_directory, const std::string& log_level);

  void started(const TrainConfig& config, std::uint64_t first_step, std::uint64_t total_steps,
               std::uint64_t steps_per_epoch) override;
  void progressed(std::uint64_t step, double local_mean_loss, double samples_per_second) override;
  void epoch_finished(const EpochMetrics& metrics) override;
  bool wants_to_stop() override { return next_.wants_to_stop(); }
  void in_long_phase() override { next_.in_long_phase(); }
  bool goes_on_after(const EpochMetrics& metrics) override { return next_.goes_on_after(metrics); }
  void checkpoint_written(const std::string& path, double seconds, std::uint64_t bytes) override;
  void message(const std::string& text) override;
  void ended(const TrainResult& result) override;
  void failed(const std::string& error) override;

 private:
  enum class Level { error, warn, info, debug };
  void log(Level level, const std::string& text);

  TrainObserver& next_;
  const RunDirectory& run_directory_;
  Level level_;
  bool refused_ = false;
  std::uint64_t epochs_ = 0;
};

}  // namespace lockstep
