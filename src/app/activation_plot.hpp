#pragma once

#include <span>
#include <string>

#include "lockstep/nn/activation.hpp"

namespace lockstep {

/// One HTML page that shows each activation with its derivative. It needs nothing but itself.
std::string activation_plot_html(std::span<const Activation> activations);

}  // namespace lockstep
