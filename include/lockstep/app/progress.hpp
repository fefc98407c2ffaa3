#pragma once

#include <cstdint>
#include <string>

#include "lockstep/train/trainer.hpp"

namespace lockstep {

/// Shows a run on standard output: a bar on a terminal (rows/s, loss, time left), else one line an epoch.
class Progress : public TrainObserver {
 public:
  Progress(ProgressStyle style, bool quiet);

  void started(const TrainConfig& config, std::uint64_t first_step, std::uint64_t total_steps,
               std::uint64_t steps_per_epoch) override;
  void progressed(std::uint64_t step, double local_mean_loss, double samples_per_second) override;
  void epoch_finished(const EpochMetrics& metrics) override;
  void checkpoint_written(const std::string& path, double seconds, std::uint64_t bytes) override;
  void message(const std::string& text) override;
  void ended(const TrainResult& result) override;

 private:
  void print_line(const std::string& text);
  void clear_bar();

  bool bar_ = false;
  bool lines_ = false;
  bool quiet_;
  bool bar_is_shown_ = false;
  std::uint64_t epochs_ = 0, total_steps_ = 0, steps_per_epoch_ = 1, batch_size_ = 1;
};

}  // namespace lockstep
