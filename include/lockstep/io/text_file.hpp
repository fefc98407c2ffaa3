#pragma once

#include <cstdint>
#include <limits>
#include <string>

namespace lockstep {

/// What nobody writes by hand: the limit of configs and sweep files.
inline constexpr std::uint64_t most_config_bytes = std::uint64_t{16} << 20;

/// The whole content of a regular file or, with a limit, of a pipe, as the shell's <(…). Throws FileError
/// naming the path and the system's reason, also if it is longer than `most_bytes`, or a FIFO that has no
/// writer for five seconds; UserError if it is longer than memory; UnreadableError if the disk does not
/// give it now, as after an I/O error.
std::string read_text_file(const std::string& path,
                           std::uint64_t most_bytes = std::numeric_limits<std::uint64_t>::max());

}  // namespace lockstep
