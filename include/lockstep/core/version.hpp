#pragma once

#include <string>

namespace lockstep {

/// The version of lockstep, e.g. "0.1.0".
std::string version();
/// The vector instruction set that the exact products use on this machine: "avx512", "avx2" or "baseline".
/// LOCKSTEP_ISA in the environment limits it; throws UserError if that names none of these.
std::string instruction_set();

}  // namespace lockstep
