#pragma once

#include <memory>
#include <string_view>

#include "lockstep/nn/activation.hpp"
#include "lockstep/nn/formula.hpp"

namespace lockstep {

/// A formula with what the table would say of it: found by looking at x from -100 to 100.
struct FormulaActivation {
  Formula formula;
  ActivationInfo info;
};

std::shared_ptr<const FormulaActivation> make_formula_activation(std::string_view formula);

}  // namespace lockstep
