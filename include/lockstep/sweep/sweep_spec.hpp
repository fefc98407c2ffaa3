#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lockstep/train/config.hpp"

/// What a sweep file says.
namespace lockstep {

/// Some options that take their values together: one of [grid], or all of a [[zip]]. A key is that of an
/// option ("hidden"), or of one entry of its list ("activation.1").
struct SweepAxis {
  std::vector<std::string> keys;
  std::vector<std::vector<std::string>> points;  // (points, keys), as the command line spells values
};

/// An option of [random], drawn anew for each of the random trials.
struct RandomAxis {
  enum class Law { uniform, log_uniform, integers, log_integers, choice };
  std::string key;
  Law law = Law::uniform;
  double low = 0, high = 0;          // both included for integers
  std::vector<std::string> choices;  // of choice
};

/// Trials for which every condition of an [[exclude]] holds are left out.
struct SweepCondition {
  std::string key;
  std::vector<std::string> values;     // any of them, in canonical spelling; or
  std::optional<double> above, below;  // a number in between
};
using SweepExclusion = std::vector<SweepCondition>;

/// From so many parameters on, so many ranks train a trial together.
struct RanksRule {
  std::size_t from_parameters = 0;
  int ranks = 1;
};

/// Asynchronous successive halving: after first_epochs, first_epochs · factor, … epochs a trial goes on only
/// if it is among the best 1/factor of those that came so far.
struct HalvingSettings {
  std::uint64_t first_epochs = 1;
  std::uint64_t factor = 3;
};

struct SweepSpec {
  std::string source;  // the file, for messages
  std::string name;
  std::string directory;
  TrainConfig base;
  std::vector<SweepAxis> axes;  // in the file's order: the last one changes fastest
  std::vector<RandomAxis> random_axes;
  std::uint64_t random_trials = 1;
  std::uint64_t random_seed = 0;
  std::vector<SweepExclusion> exclusions;
  std::vector<RanksRule> ranks_rules{{}};  // ascending by from_parameters
  std::string metric;                      // a column of metrics.csv; empty: by the task
  std::vector<std::string> over{"seed"};   // summary.csv takes means over these keys
  std::uint64_t best = 5;                  // configs kept as the best
  std::optional<HalvingSettings> halving;

  /// Keys of all axes, the random ones last.
  std::vector<std::string> keys() const;
  /// The ranks wanted for a trial with so many parameters.
  int ranks_for(std::size_t parameters) const;
};

/// Reads a sweep file's text. Values that no option takes are refused here, so that a slip of the pen does
/// not cost a night; combinations that do not fit together fail as trials. Throws UserError naming source,
/// line and key.
SweepSpec parse_sweep(std::string_view toml, std::string_view source_name);

}  // namespace lockstep
