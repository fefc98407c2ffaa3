#pragma once

#include <cstddef>
#include <string>

namespace lockstep {

/// Throws UserError "what: needs … of memory, … are available" if `bytes` cannot be had on this machine or in
/// its control group. Linux would hand out the addresses and end the process later.
void check_memory_available(std::size_t bytes, const std::string& what);

}  // namespace lockstep
