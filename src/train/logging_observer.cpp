#include "lockstep/train/logging_observer.hpp"

#include <fmt/format.h>

#include "lockstep/core/error.hpp"
#include "lockstep/train/progress_text.hpp"

namespace lockstep {

LoggingObserver::LoggingObserver(TrainObserver& next, const RunDirectory& run_directory,
                                 const std::string& log_level)
    : next_(next),
      run_directory_(run_directory),
      level_(log_level == "debug"  ? Level::debug
             : log_level == "info" ? Level::info
             : log_level == "warn" ? Level::warn
                                   : Level::error) {}

/// A disk that refuses lines is told of once: each further line would say the same.
void LoggingObserver::log(Level level, const std::string& text) {
  if (level > level_) return;
  try {
    run_directory_.log(text);
  } catch (const FileError& error) {
    if (!refused_) next_.message(std::string("warning: ") + error.what() + "; lines of the log are missing");
    refused_ = true;
  }
}

void LoggingObserver::started(const TrainConfig& config, std::uint64_t first_step, std::uint64_t total_steps,
                              std::uint64_t steps_per_epoch) {
  epochs_ = config.epochs;
  log(Level::info, opening_lines(config));
  log(Level::info, fmt::format("training on {} from step {} to {}, {} steps an epoch", config.data,
                               first_step, total_steps, steps_per_epoch));
  next_.started(config, first_step, total_steps, steps_per_epoch);
}

void LoggingObserver::progressed(std::uint64_t step, double local_mean_loss, double samples_per_second) {
  log(Level::debug, progress_line(step, local_mean_loss, samples_per_second));
  next_.progressed(step, local_mean_loss, samples_per_second);
}

void LoggingObserver::epoch_finished(const EpochMetrics& metrics) {
  log(Level::info, epoch_line(metrics, epochs_));
  next_.epoch_finished(metrics);
}

void LoggingObserver::checkpoint_written(const std::string& path, double seconds, std::uint64_t bytes) {
  log(Level::info, checkpoint_line(path, seconds, bytes));
  next_.checkpoint_written(path, seconds, bytes);
}

void LoggingObserver::message(const std::string& text) {
  log(text.starts_with("warning") ? Level::warn : Level::info, text);
  next_.message(text);
}

void LoggingObserver::ended(const TrainResult& result) {
  log(Level::info, closing_summary(result));
  next_.ended(result);
}

void LoggingObserver::failed(const std::string& error) {
  log(Level::error, "error: " + error);
  next_.failed(error);
}

}  // namespace lockstep
