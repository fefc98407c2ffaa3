#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lockstep/core/error.hpp"
#include "lockstep/dist/communicator.hpp"
#include "lockstep/sweep/ledger.hpp"
#include "lockstep/sweep/plan.hpp"

namespace lockstep {

/// Which trials a job is to run.
struct SweepSelection {
  std::size_t first = 1, last = SIZE_MAX;  // numbers of trials, both included
  bool retry_failed = false;

  bool contains(const Trial& trial) const {
    return first <= trial.point.number && trial.point.number <= last;
  }
};

/// How a sweep stands, as rank 0 sees it.
struct SweepProgress {
  std::size_t runs = 0;  // of this job; trials with equal configs are one
  std::size_t running = 0, finished = 0, halted = 0, failed = 0, stopped = 0;
  std::size_t elsewhere = 0;   // taken by another job
  std::size_t best_trial = 0;  // number of the best finished trial; 0: none yet
  double best_value = not_evaluated;
  double work = 0, work_done = 0;  // expected operations
  double seconds = 0;              // since the first trial began

  /// Those that have a result, if only a message.
  std::size_t ended() const { return finished + halted + failed; }
  /// Those that this job has no more to do with.
  std::size_t over() const { return ended() + stopped + elsewhere; }
};

/// A trial that ended, as rank 0 sees it.
struct TrialEnd {
  const Trial* trial = nullptr;
  TrialStatus status = TrialStatus::finished;
  double value = not_evaluated;  // of the sweep's metric
};

/// Told what happens, on rank 0 only.
class SweepObserver {
 public:
  virtual ~SweepObserver() = default;
  /// Before the first trial. `earlier`: trials of the selection that need not be run any more.
  virtual void started(const SweepPlan& /*plan*/, std::size_t /*runs*/, std::size_t /*earlier*/) {}
  /// `progress` counts this trial, and none that is told of later.
  virtual void trial_ended(const TrialEnd& /*end*/, const SweepProgress& /*progress*/) {}
  /// Called at most some ten times a second.
  virtual void progressed(const SweepProgress& /*progress*/) {}
  virtual void message(const std::string& /*text*/) {}
};

/// How a job ended.
struct SweepResult {
  SweepProgress progress;
  bool stopped = false;  // by a signal or limit: the same command goes on
};

/// The group that each rank belongs to if about `ranks` ranks train a trial together: groups are of equal
/// size as near as may be, never larger, and within one node where a node has so many ranks.
/// nodes: (ranks of the job) ascending.
std::vector<int> groups_of_ranks(const std::vector<std::int32_t>& nodes, int ranks);

/// Runs the selected trials of the plan that are not over yet (collective; the plan is the same on all ranks)
/// and keeps the ledger in the sweep's directory. Free groups of ranks take the next trial, that with the
/// most work first. What makes a trial fail is recorded and stops no other. Throws AgreedError.
SweepResult run_sweep(const Communicator& world, const SweepPlan& plan, const SweepSelection& selection,
                      SweepObserver& observer);

}  // namespace lockstep
