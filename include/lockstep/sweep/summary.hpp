#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "lockstep/sweep/ledger.hpp"
#include "lockstep/sweep/plan.hpp"
#include "lockstep/train/trainer.hpp"

namespace lockstep {

/// Mean, standard deviation (of a sample) and 95 % confidence interval of the mean (Student's t). NaN where
/// there are too few values.
struct Spread {
  std::size_t count = 0;
  double mean = not_evaluated, sd = not_evaluated;
  double low = not_evaluated, high = not_evaluated;
};
/// Of the values that are numbers.
Spread spread_of(std::span<const double> values);

/// P(T ≤ t) for Student's t with a whole number of degrees of freedom (Abramowitz & Stegun 26.7.3, 26.7.4).
double student_t_probability(double t, std::size_t degrees);
/// The t > 0 with student_t_probability = probability, which is above one half.
double student_t_quantile(double probability, std::size_t degrees);

/// A finished trial and its place by the sweep's metric.
struct RankedTrial {
  std::size_t rank = 1;
  const Trial* trial = nullptr;
  double value = not_evaluated;
  std::size_t cell_trials = 0, cell_failed = 0;  // of its cell: all trials, and those that failed
};

/// How the whole sweep stands, those of other jobs included.
struct SweepSummary {
  std::size_t finished = 0, halted = 0, failed = 0;
  std::size_t repeated = 0;           // trials with the config of one before, which are run once
  std::vector<RankedTrial> best;      // as many as the sweep keeps
  std::vector<TrialStatus> statuses;  // (trials of the plan)
};

/// Writes sweep.csv, summary.csv and best/<rank>/config.toml from the ledger in the sweep's directory. One
/// process; other jobs wait for their turn. Throws FileError. `after_each_record` is called while the ledger,
/// which may be long, is read.
SweepSummary write_results(
    const SweepPlan& plan, const std::function<void()>& after_each_record = [] {});

}  // namespace lockstep
