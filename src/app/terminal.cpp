#include "lockstep/app/terminal.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>

namespace lockstep {

bool shows_on_terminal() {
  if (isatty(STDOUT_FILENO) == 0) return false;
  if (std::getenv("OMPI_COMM_WORLD_SIZE") == nullptr) return true;
  const int launcher_output = open(fmt::format("/proc/{}/fd/1", getppid()).c_str(), O_WRONLY | O_NOCTTY);
  if (launcher_output < 0) return false;
  const bool terminal = isatty(launcher_output) != 0;
  close(launcher_output);
  return terminal;
}

std::string short_time(double seconds) {
  const auto whole = static_cast<std::uint64_t>(std::clamp(seconds, 0.0, 359999.0));
  if (whole >= 3600) return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

std::string time_text(double seconds) {
  return seconds < 60 ? fmt::format("{:.2f} s", seconds) : short_time(seconds);
}

}  // namespace lockstep
