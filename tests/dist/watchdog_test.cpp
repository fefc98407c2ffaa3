#include "lockstep/dist/watchdog.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

namespace lockstep {
namespace {

void sleep_seconds(double seconds) {
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
}

TEST(ProgressBoard, TellsWhoIsBehind) {
  const Communicator world = Communicator::world();
  ProgressBoard board(world);
  board.reach(world.rank() == world.size() - 1 ? 41 : 42, Phase::computing);
  world.barrier();
  const std::string found = board.description();
  const std::string last = "rank " + std::to_string(world.size() - 1) + ", computing step 42";
  // A board is a host's: where there are several, the rank behind shows on one of them.
  if (world.nodes() > 1) return world.barrier();
  EXPECT_EQ(found.find((world.size() > 1 ? "behind: " : "") + last), 0U) << found;
  if (world.size() == 3) {
    EXPECT_NE(found.find("; ranks 0, 1, computing step 43"), std::string::npos) << found;
  }
  world.barrier();
}

TEST(ProgressBoard, ABeatIsProgressAtTheSamePlace) {
  const Communicator world = Communicator::world();
  ProgressBoard board(world);
  board.reach(7, Phase::evaluating);
  world.barrier();
  const std::string before = board.description();
  const auto places = board.places();
  world.barrier();
  for (int i = 0; i < 70000; ++i) board.beat();  // the counter of beats has 16 bits
  world.barrier();
  EXPECT_NE(board.places(), places);
  EXPECT_EQ(board.description(), before);
  world.barrier();
}

TEST(ProgressBoard, OneRankOfANodeReports) {
  const Communicator world = Communicator::world();
  ProgressBoard board(world);
  EXPECT_EQ(world.all_reduce_sum(board.claim_report() ? 1 : 0), world.nodes());
}

TEST(Watchdog, LetsARunPassInWhichOneRankGetsFurther) {
  const Communicator world = Communicator::world();
  ProgressBoard board(world);
  const Watchdog watchdog(world, board, 0.5);
  if (world.is_root()) {
    for (int i = 0; i < 12; ++i) {
      board.beat();
      sleep_seconds(0.1);
    }
  }
  world.barrier();
}

}  // namespace
}  // namespace lockstep
