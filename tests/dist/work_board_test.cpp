#include "lockstep/dist/work_board.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace lockstep {
namespace {

TEST(WorkBoard, GivesEveryNumberToOneRank) {
  const Communicator world = Communicator::world();
  const WorkBoard board(world, 3);
  constexpr std::int64_t numbers = 200;
  std::vector<std::int64_t> drawn;
  for (std::int64_t next = board.fetch_and_add(1, 1); next < numbers; next = board.fetch_and_add(1, 1))
    drawn.push_back(next);
  world.barrier();
  std::vector<std::int64_t> all = world.all_gather_v<std::int64_t>(drawn);
  std::sort(all.begin(), all.end());
  ASSERT_EQ(all.size(), static_cast<std::size_t>(numbers));
  for (std::int64_t i = 0; i < numbers; ++i) EXPECT_EQ(all[static_cast<std::size_t>(i)], i);
  EXPECT_EQ(board.read()[0], 0);
  EXPECT_EQ(board.read()[1], numbers + world.size());
  world.barrier();
}

TEST(WorkBoard, ShowsWhatOthersPut) {
  const Communicator world = Communicator::world();
  const auto ranks = static_cast<std::size_t>(world.size()), rank = static_cast<std::size_t>(world.rank());
  const WorkBoard board(world, 2 * ranks);
  const std::int64_t mine[] = {world.rank() + 1, -world.rank()};
  board.put(2 * rank, mine);
  board.progress();
  world.barrier();
  const std::vector<std::int64_t> all = board.read();
  for (std::size_t other = 0; other < ranks; ++other) {
    EXPECT_EQ(all[2 * other], static_cast<std::int64_t>(other) + 1);
    EXPECT_EQ(all[2 * other + 1], -static_cast<std::int64_t>(other));
  }
  world.barrier();
}

TEST(PatientBarrier, WaitsForAllAndLetsThemWork) {
  const Communicator world = Communicator::world();
  const WorkBoard board(world, 1);
  if (world.is_root()) {
    for (int i = 0; i < 5; ++i) board.fetch_and_add(0, 1);
  }
  int calls = 0;
  world.patient_barrier([&] { ++calls; });
  EXPECT_EQ(board.read()[0], 5);
  world.barrier();
}

}  // namespace
}  // namespace lockstep
