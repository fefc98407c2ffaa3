#pragma once

#include <string>
#include <vector>

#include "lockstep/nn/activation.hpp"

namespace lockstep {

/// A number and where it is reached.
struct Extremum {
  double value = 0;
  double x = 0;
};

/// The numbers from low to high, both included.
struct Interval {
  double low = 0;
  double high = 0;
};

/// What can be seen of an activation on [-100, 100], from values and slopes on a fine grid; jumps and kinks
/// are closed in by bisection. What is said of f and f' is said of where both are finite.
struct ActivationReport {
  std::vector<double> jumps;  // where f is not continuous, ascending
  std::vector<double> kinks;  // where f is continuous and f' is not
  bool increasing = false;    // nowhere falling
  bool decreasing = false;    // nowhere rising
  bool linear = false;        // f' is the same everywhere
  bool constant_slope_zero = false;
  Extremum lowest, highest;            // of f
  Extremum steepest;                   // the largest |f'|
  std::vector<Interval> non_finite;    // where f or f' is not finite in double, ascending …
  std::vector<Interval> non_finite32;  // … and in float, which training uses by default
  /// For x drawn from the standard normal distribution: mean of f, root mean squares of f and f'.
  double normal_mean = 0, normal_rms = 0, normal_slope_rms = 0;
  double flat_left = 0, flat_right = 0;  // |f'| at -20 and 20
  std::vector<std::string> warnings;     // what training will suffer; empty: nothing known

  bool continuous() const { return jumps.empty() && finite(); }
  bool differentiable() const { return continuous() && kinks.empty(); }
  bool finite() const { return non_finite.empty(); }
  /// Then nothing else is looked at.
  bool nowhere_finite() const;
};

/// In words, the first four, those closest to 0 first: "x <= 0", "x = 0, x >= 88.72".
std::string intervals_text(std::vector<Interval> intervals);

/// Looks at an activation with the parameters it starts from.
ActivationReport check_activation(const Activation& activation);

}  // namespace lockstep
