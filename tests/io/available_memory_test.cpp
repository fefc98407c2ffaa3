#include "lockstep/io/available_memory.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "io_fixture.hpp"
#include "lockstep/dist/agreement.hpp"
#include "lockstep/dist/communicator.hpp"

namespace lockstep {
namespace {

/// What is free on this machine; what a control group leaves may be less.
std::size_t machine_free_bytes() {
  std::ifstream file("/proc/meminfo");
  std::string key, unit;
  std::size_t kibibytes = 0;
  while (file >> key >> kibibytes && key != "MemAvailable:") std::getline(file, unit);
  return kibibytes * 1024;
}

TEST(AvailableMemory, IsComparedWithWhatTheRanksOfANodeNeedTogether) {
  const Communicator world = Communicator::world();
  const auto ranks = static_cast<std::size_t>(world.size());
  const std::size_t least =
      static_cast<std::size_t>(world.all_reduce_min(static_cast<std::int64_t>(machine_free_bytes())));
  // Each alone passes, unless it is alone or a control group leaves less.
  const std::size_t own_bytes = 2 * least / ranks;
  EXPECT_NO_THROW(check_memory_of_nodes(world, 1000, 1000, "little"));
  expect_parts(message_of<AgreedError>([&] { check_memory_of_nodes(world, own_bytes, 0, "much"); }),
               {"much: needs ", " of memory, ", " are available"});
  expect_parts(message_of<AgreedError>([&] { check_memory_of_nodes(world, 0, 2 * least, "shared"); }),
               {"shared: needs "});
}

}  // namespace
}  // namespace lockstep
