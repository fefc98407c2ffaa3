#include "lockstep/app/progress.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iostream>

#include "lockstep/app/terminal.hpp"
#include "lockstep/core/text.hpp"
#include "lockstep/train/progress_text.hpp"

namespace lockstep {
Progress::Progress(ProgressStyle style, bool quiet) : quiet_(quiet) {
  const bool terminal = shows_on_terminal();
  bar_ = !quiet && (style == ProgressStyle::bar || (style == ProgressStyle::automatic && terminal));
  lines_ = !quiet && style != ProgressStyle::off;
}

void Progress::clear_bar() {
  if (bar_is_shown_) std::cout << "\r\033[K";
  bar_is_shown_ = false;
}

void Progress::print_line(const std::string& text) {
  clear_bar();
  std::cout << text << std::endl;
}

void Progress::started(const TrainConfig& config, std::uint64_t first_step, std::uint64_t total_steps,
                       std::uint64_t steps_per_epoch) {
  epochs_ = config.epochs;
  total_steps_ = total_steps;
  steps_per_epoch_ = steps_per_epoch;
  batch_size_ = config.batch_size;
  if (!lines_) return;
  print_line(opening_lines(config));
  if (first_step > 0 && first_step < total_steps)
    print_line(fmt::format("going on after step {} of {}", first_step, total_steps));
}

void Progress::progressed(std::uint64_t step, double local_mean_loss, double samples_per_second) {
  if (!bar_) return;
  constexpr std::uint64_t width = 30;
  const std::uint64_t in_epoch = (step - 1) % steps_per_epoch_ + 1;
  const auto filled = static_cast<std::size_t>(width * in_epoch / steps_per_epoch_);
  const double rows_left = static_cast<double>((total_steps_ - std::min(step, total_steps_)) * batch_size_);
  std::cout << fmt::format("\r\033[Kepoch {}/{} [{}{}] loss {}  {:.0f} rows/s  {} left",
                           (step - 1) / steps_per_epoch_ + 1, epochs_, std::string(filled, '='),
                           std::string(width - filled, ' '), format_decimal(local_mean_loss, 4),
                           samples_per_second, short_time(rows_left / std::max(samples_per_second, 1.0)))
            << std::flush;
  bar_is_shown_ = true;
}

void Progress::epoch_finished(const EpochMetrics& metrics) {
  if (lines_) print_line(epoch_line(metrics, epochs_));
}

void Progress::checkpoint_written(const std::string& path, double seconds, std::uint64_t bytes) {
  if (lines_) print_line(checkpoint_line(path, seconds, bytes));
}

void Progress::message(const std::string& text) {
  if (text.starts_with("warning")) {
    clear_bar();
    std::cerr << printable(text) << std::endl;
  } else if (lines_) {
    print_line(text);
  }
}

void Progress::ended(const TrainResult& result) {
  if (!quiet_) print_line(closing_summary(result));
}

}  // namespace lockstep
