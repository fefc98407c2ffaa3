#pragma once

#include <cstddef>
#include <vector>

#include "lockstep/dist/communicator.hpp"
#include "lockstep/sweep/plan.hpp"
#include "lockstep/sweep/scheduler.hpp"

namespace lockstep {

struct TrialEstimate {
  const Trial* trial = nullptr;
  double seconds = 0;  // on one rank
};

struct SweepEstimate {
  std::vector<TrialEstimate> trials;  // of the selection
  std::size_t invalid = 0;
  double rank_seconds = 0;        // of one rank that does it all
  double seconds = 0;             // of all ranks
  std::size_t dataset_bytes = 0;  // of the datasets that are used
};

/// How long the trials will take: some steps of each kind of network are made and timed, within some seconds
/// for all. One process; `alone` is a communicator of that rank, `ranks` the number to plan for. Throws
/// AgreedError.
SweepEstimate estimate_sweep(const Communicator& alone, const SweepPlan& plan,
                             const SweepSelection& selection, int ranks);

/// When the last of `groups` groups is done that take these durations, longest first.
double packed_seconds(std::vector<double> durations, std::size_t groups);

}  // namespace lockstep
