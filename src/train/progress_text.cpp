#include "lockstep/train/progress_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "lockstep/core/text.hpp"
#include "lockstep/core/version.hpp"

namespace lockstep {
namespace {

void append(std::string& line, const char* name, double value, bool evaluated = false) {
  if (evaluated || !std::isnan(value)) line += fmt::format("  {} {}", name, format_decimal(value, 4));
}

/// The texts of all layers, or of one where they are equal.
template <class Item>
std::string layer_texts(const std::vector<Item>& items) {
  std::vector<std::string> texts;
  for (const Item& item : items) texts.push_back(item.text());
  if (texts.empty()) return "none";
  if (std::count(texts.begin(), texts.end(), texts.front()) == std::ssize(texts)) return texts.front();
  return join(texts);
}

}  // namespace

std::string opening_lines(const TrainConfig& config) {
  return fmt::format(
      "hidden {}  activation {}  init {}  optimizer {}  learning rate {}\n"
      "batch {}  shards {}  {}  {} arithmetic on {}  seed {}  run directory {}",
      find_train_option("hidden").get(config), layer_texts(config.activation), layer_texts(config.init),
      config.optimizer, config.learning_rate.value_or(0), config.batch_size, config.shards.value_or(0),
      precision_name(config.precision), arithmetic_name(config.arithmetic), instruction_set(), config.seed,
      config.run_dir);
}

std::string epoch_line(const EpochMetrics& metrics, std::uint64_t epochs) {
  std::string line = fmt::format("epoch {}/{}", metrics.epoch, epochs);
  append(line, "loss", metrics.loss);
  append(line, "accuracy", metrics.accuracy);
  append(line, "val_loss", metrics.val_loss, metrics.val_evaluated);
  append(line, "val_accuracy", metrics.val_accuracy);
  append(line, "test_loss", metrics.test_loss, metrics.test_evaluated);
  append(line, "test_accuracy", metrics.test_accuracy);
  line += fmt::format("  {:.0f} rows/s  {:.1f} s", metrics.samples_per_second, metrics.seconds);
  return line;
}

std::string progress_line(std::uint64_t step, double local_mean_loss, double samples_per_second) {
  return fmt::format("step {}  loss of rank 0's rows {}  {:.0f} rows/s", step,
                     format_decimal(local_mean_loss, 4), samples_per_second);
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
