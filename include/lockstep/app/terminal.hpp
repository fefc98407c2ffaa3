#pragma once

#include <string>

namespace lockstep {

/// Whether people see standard output on a terminal. mpirun gives its ranks a pseudo-terminal wherever its
/// own output goes; there, mpirun's standard output decides.
bool shows_on_terminal();

/// "1:05", "2:03:59".
std::string short_time(double seconds);
/// "0.35 s" below a minute.
std::string time_text(double seconds);

}  // namespace lockstep
