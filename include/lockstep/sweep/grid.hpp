#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "lockstep/sweep/sweep_spec.hpp"

namespace lockstep {

/// One point of the sweep: the values that its axes have there.
struct TrialPoint {
  std::size_t number = 0;                                     // counts from 1
  std::vector<std::pair<std::string, std::string>> settings;  // key → text, in the order of spec.keys()
};

/// All points: every combination of the axes, in each of which the same random trials are drawn, without the
/// excluded ones. Throws UserError if there are none, or more than a million.
std::vector<TrialPoint> expand(const SweepSpec& spec);

/// The value of a random axis in random trial `draw` (0-based): depends on seed, key and draw alone.
std::string random_value(const RandomAxis& axis, std::uint64_t seed, std::uint64_t draw);

/// The config of a point, not yet resolved.
TrainConfig config_at(const SweepSpec& spec, const TrialPoint& point);

}  // namespace lockstep
