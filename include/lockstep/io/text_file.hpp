#pragma once

#include <string>

namespace lockstep {

/// The whole content of a file. Throws FileError naming the path and the system's reason.
std::string read_text_file(const std::string& path);

}  // namespace lockstep
