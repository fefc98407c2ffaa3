#include "lockstep/io/available_memory.hpp"

#include <algorithm>
#include <fstream>
#include <limits>

#include "lockstep/core/control_group.hpp"
#include "lockstep/core/error.hpp"
#include "lockstep/core/text.hpp"
#include "lockstep/dist/agreement.hpp"

namespace lockstep {
namespace {

constexpr std::size_t unknown = std::numeric_limits<std::size_t>::max();

std::size_t machine_available_bytes() {
  std::ifstream file("/proc/meminfo");
  std::string key, unit;
  std::size_t kibibytes = 0;
  while (file >> key >> kibibytes) {
    if (key == "MemAvailable:") return kibibytes * 1024;
    std::getline(file, unit);
  }
  return unknown;
}

std::size_t available_bytes() {
  return std::min(machine_available_bytes(), control_group_limits().available_memory_bytes.value_or(unknown));
}

}  // namespace

bool memory_is_available(std::size_t bytes) {
  return bytes <= available_bytes();
}

void check_memory_available(std::size_t bytes, const std::string& what) {
  const std::size_t available = available_bytes();
  if (bytes > available) {
    throw UserError(what + ": needs " + format_bytes(bytes) + " of memory, " + format_bytes(available) +
                    " are available");
  }
}

void check_memory_of_nodes(const Communicator& world, std::size_t own_bytes, std::size_t shared_bytes,
                           const std::string& what) {
  const std::size_t bytes = world.node_sum(own_bytes) + shared_bytes;
  collectively(world, [&] { check_memory_available(bytes, what); });
}

}  // namespace lockstep
