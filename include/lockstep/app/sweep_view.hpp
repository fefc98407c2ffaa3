#pragma once

#include <string>

#include "lockstep/sweep/scheduler.hpp"
#include "lockstep/train/config.hpp"

namespace lockstep {

/// Shows a sweep on standard output: one line a trial that ended, and on a terminal a line below them that
/// says how the sweep stands.
class SweepView : public SweepObserver {
 public:
  explicit SweepView(ProgressStyle style);

  void started(const SweepPlan& plan, std::size_t runs, std::size_t earlier) override;
  void trial_ended(const TrialEnd& end, const SweepProgress& progress) override;
  void progressed(const SweepProgress& progress) override;
  void message(const std::string& text) override;

 private:
  void print_line(const std::string& text);

  bool bar_, lines_;
  bool bar_is_shown_ = false;
  std::string metric_;
};

/// "hidden=512x3 seed=2".
std::string settings_text(const TrialPoint& point);

/// "12 of 64 ended, 1 of them failed, 2 running, best 0.9712 (trial 7), 1:05 left".
std::string standing(const SweepProgress& progress);

}  // namespace lockstep
