#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "lockstep/io/dataset.hpp"
#include "lockstep/sweep/grid.hpp"
#include "lockstep/sweep/sweep_spec.hpp"

namespace lockstep {

/// One trial, ready to be run.
struct Trial {
  TrialPoint point;
  TrainConfig config;       // resolved, with its run directory; as given where `invalid`
  std::string invalid;      // why the combination does not fit together; empty: it does
  std::string digest;       // names the trial: 16 hexadecimal digits over all that its results depend on
  std::size_t dataset = 0;  // in SweepPlan::datasets
  std::size_t parameters = 0;
  std::uint64_t steps_per_epoch = 0;
  double work = 0;               // expected floating-point operations
  std::size_t memory_bytes = 0;  // estimate for one rank, without the dataset
  int ranks = 1;                 // that train it together, if the job has so many
};

/// Everything that a sweep consists of; the same on all ranks.
struct SweepPlan {
  SweepSpec spec;
  std::vector<DatasetInfo> datasets;
  std::vector<Trial> trials;  // by number; some may have equal digests: they are one run
  std::string metric;         // what trials are ranked by
};

/// Resolves every trial against its dataset. One process. Throws UserError if there is no dataset, or if
/// every trial is invalid.
SweepPlan make_plan(const SweepSpec& spec);

/// Bytes of a dataset's rows in memory, all of them.
std::size_t dataset_bytes(const DatasetInfo& dataset);

}  // namespace lockstep
