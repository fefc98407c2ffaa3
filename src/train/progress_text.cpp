#include "lockstep/train/progress_text.hpp"

#include <fmt/format.h>

#include <cmath>
#include <filesystem>

#include "lockstep/core/text.hpp"

namespace lockstep {
namespace {

void append(std::string& line, const char* name, double value) {
  if (!std::isnan(value)) line += fmt::format("  {} {:.4f}", name, value);
}

}  // namespace

std::string epoch_line(const EpochMetrics& metrics, std::uint64_t epochs) {
  std::string line = fmt::format("epoch {}/{}", metrics.epoch, epochs);
  append(line, "loss", metrics.loss);
  append(line, "accuracy", metrics.accuracy);
  append(line, "val_loss", metrics.val_loss);
  append(line, "val_accuracy", metrics.val_accuracy);
  append(line, "test_loss", metrics.test_loss);
  append(line, "test_accuracy", metrics.test_accuracy);
  line += fmt::format("  {:.0f} rows/s  {:.1f} s", metrics.samples_per_second, metrics.seconds);
  return line;
}

std::string checkpoint_line(const std::string& path, double seconds, std::uint64_t bytes) {
  return fmt::format("checkpoint {}  {}  {:.3f} s", std::filesystem::path(path).filename().string(),
                     format_bytes(bytes), seconds);
}

std::string closing_summary(const TrainResult& result) {
  std::string text = result.status == ExitStatus::resumable
                         ? "stopped (" + result.reason + "); the same command goes on from here\n"
                         : "done (" + result.reason + ")\n";
  if (!std::isnan(result.last.test_accuracy) && result.last.step > 0) {
    text += fmt::format("  test accuracy      {:.4f} after epoch {}\n", result.last.test_accuracy,
                        result.last.epoch);
  }
  text += fmt::format("  parameters_sha256  {}\n  run directory      {}\n", result.parameters_sha256,
                      result.run_dir);
  if (!result.checkpoint.empty()) text += fmt::format("  last checkpoint    {}\n", result.checkpoint);
  text += fmt::format("  metrics            {0}/metrics.csv, {0}/summary.json", result.run_dir);
  return text;
}

}  // namespace lockstep
