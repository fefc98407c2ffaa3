#pragma once

#include <string>

namespace lockstep {

/// The version of lockstep, e.g. "0.1.0".
std::string version();
/// The vector instruction set that the compiled kernels use on this machine, e.g. "avx512f", "avx2",
/// "baseline".
std::string instruction_set();

}  // namespace lockstep
