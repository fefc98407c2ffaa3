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

}  // namespace

void check_memory_available(std::size_t bytes, const std::string& what) {
  const std::size_t available =
      std::min(machine_available_bytes(), control_group_limits().available_memory_bytes.value_or(unknown));
  if (bytes > available) {
    throw UserError(what + ": needs " + format_bytes(bytes) + " of memory, " + format_bytes(available) +
                    " are available");
  }
}

std::size_t sum_over_node(const Communicator& world, std::size_t mine) {
  const std::uint64_t node_and_mine[] = {static_cast<std::uint64_t>(world.node()), mine};
  const std::vector<std::uint64_t> all = world.all_gather_v<std::uint64_t>(node_and_mine);
  std::size_t sum = 0;
  for (std::size_t i = 0; i < all.size(); i += 2) {
    if (all[i] == node_and_mine[0]) sum += all[i + 1];
  }
  return sum;
}

void check_memory_of_nodes(const Communicator& world, std::size_t own_bytes, std::size_t shared_bytes,
                           const std::string& what) {
  const std::size_t bytes = sum_over_node(world, own_bytes) + shared_bytes;
  collectively(world, [&] { check_memory_available(bytes, what); });
}

}  // namespace lockstep
