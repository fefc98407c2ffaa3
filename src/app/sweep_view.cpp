#include "lockstep/app/sweep_view.hpp"

#include <fmt/format.h>

#include <cmath>
#include <iostream>

#include "lockstep/app/terminal.hpp"
#include "lockstep/core/text.hpp"

namespace lockstep {

std::string settings_text(const TrialPoint& point) {
  std::vector<std::string> parts;
  for (const auto& [key, text] : point.settings) parts.push_back(key + "=" + text);
  return join(parts, " ");
}

std::string standing(const SweepProgress& progress) {
  std::string text = fmt::format("{} of {} ended", progress.ended(), progress.runs);
  const auto add = [&](std::size_t count, const char* what) {
    if (count > 0) text += fmt::format(", {} {}", count, what);
  };
  add(progress.halted, "of them halted");
  add(progress.failed, "of them failed");
  add(progress.running, "running");
  add(progress.stopped, "stopped");
  add(progress.elsewhere, "in other jobs");
  if (progress.best_trial > 0)
    text += fmt::format(", best {} (trial {})", format_decimal(progress.best_value, 4), progress.best_trial);
  if (progress.work_done > 0 && progress.over() < progress.runs) {
    const double left = progress.seconds * (progress.work - progress.work_done) / progress.work_done;
    text += fmt::format(", {} left", short_time(left));
  }
  return text;
}

SweepView::SweepView(ProgressStyle style)
    : bar_(style == ProgressStyle::bar || (style == ProgressStyle::automatic && shows_on_terminal())),
      lines_(style != ProgressStyle::off) {}

void SweepView::print_line(const std::string& text) {
  if (bar_is_shown_) std::cout << "\r\033[K";
  bar_is_shown_ = false;
  if (lines_) std::cout << text << std::endl;
}

void SweepView::started(const SweepPlan& plan, std::size_t runs, std::size_t earlier) {
  metric_ = plan.metric;
  print_line(fmt::format("sweep {}: {} trials, {} to run, {} ended before; ranked by {}; in {}",
                         plan.spec.name, plan.trials.size(), runs, earlier, plan.metric,
                         plan.spec.directory));
}

void SweepView::trial_ended(const TrialEnd& end, const SweepProgress& progress) {
  const std::string value =
      std::isnan(end.value) ? "" : fmt::format("  {} {}", metric_, format_decimal(end.value, 4));
  print_line(fmt::format("trial {} {}{}  {}  [{}]", end.trial->point.number, status_name(end.status), value,
                         settings_text(end.trial->point), standing(progress)));
}

void SweepView::progressed(const SweepProgress& progress) {
  if (!bar_) return;
  std::cout << "\r\033[K" << standing(progress) << std::flush;
  bar_is_shown_ = true;
}

void SweepView::message(const std::string& text) {
  if (text.starts_with("warning")) {
    if (bar_is_shown_) std::cout << "\r\033[K" << std::flush;
    bar_is_shown_ = false;
    std::cerr << printable(text) << std::endl;
  } else {
    print_line(text);
  }
}

}  // namespace lockstep
