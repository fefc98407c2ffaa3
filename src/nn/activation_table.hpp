#pragma once

#include <string_view>

#include "activation_kernels.hpp"
#include "lockstep/nn/activation.hpp"

namespace lockstep {

/// What the table says of a function, with the function itself.
struct ActivationEntry {
  ActivationInfo info;
  bool piecewise_rational;
  Kernels<float> in_float;
  Kernels<double> in_double;
  TrainedKernels<float> trained_in_float = {};
  TrainedKernels<double> trained_in_double = {};
};

/// The row of the table with this name or alias; nullptr if there is none.
const ActivationEntry* find_activation_entry(std::string_view name);

}  // namespace lockstep
