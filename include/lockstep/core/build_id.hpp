#pragma once

#include <string>

namespace lockstep {

/// The digest of the running program that its linker wrote into it (GNU build id), as hexadecimal digits;
/// empty if there is none. Equal programs have equal ones.
std::string build_id();

}  // namespace lockstep
