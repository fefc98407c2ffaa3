#include "lockstep/dist/watchdog.hpp"

#include <gtest/gtest.h>

#include <algorithm>
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
  for (int report = 0; report < 2; ++report) {
    const bool claimed = board.claim_report();
    EXPECT_EQ(world.all_reduce_sum(claimed ? 1 : 0), world.nodes());
    if (claimed) board.end_report();
    world.barrier();
  }
}

TEST(ProgressBoard, ListsTheRanksOfOtherHosts) {
  const Communicator world = Communicator::world();
  const ProgressBoard board(world);
  const std::string& elsewhere = board.ranks_elsewhere();  // "ranks 2, 3 on host2; rank 4 on host3"
  const auto count = [&](char c) { return static_cast<std::size_t>(std::ranges::count(elsewhere, c)); };
  const std::size_t hosts = elsewhere.empty() ? 0 : count(';') + 1;
  EXPECT_EQ(hosts + 1, static_cast<std::size_t>(world.nodes())) << elsewhere;
  EXPECT_EQ(hosts + count(',') + world.node_sum(1), static_cast<std::size_t>(world.size())) << elsewhere;
  EXPECT_EQ(elsewhere.find(world.host()), std::string::npos) << elsewhere;
}

TEST(Watchdog, LetsRanksThatLiveWorkAsLongAsTheyLike) {
  const Communicator world = Communicator::world();
  ProgressBoard board(world);
  const Watchdog watchdog(world, board, 1, Stall::silent_rank);
  sleep_seconds(4);  // longer than the timeout and what a report waits
  world.barrier();
}

TEST(Watchdog, LetsARankDrawWeightsAsLongAsItLives) {
  const Communicator world = Communicator::world();
  ProgressBoard board(world);
  const Watchdog watchdog(world, board, 0.2, Stall::no_progress);
  if (world.is_root() || world.nodes() > 1) {  // a board is a host's, and on each host somebody draws
    board.reach(0, Phase::drawing_weights);
    sleep_seconds(2.5);  // longer than the timeout and what a report waits
    board.reach(0, Phase::starting);
  }
  world.barrier();
}

TEST(Watchdog, AStallThatEndsLeavesTheNextOneToBeTold) {
  const Communicator world = Communicator::world();
  if (world.size() > 1) GTEST_SKIP() << "one rank's board shows it";
  ProgressBoard board(world);
  const Watchdog watchdog(world, board, 0.1, Stall::no_progress);
  ::testing::internal::CaptureStderr();
  sleep_seconds(1);
  const auto reported = std::chrono::steady_clock::now();
  bool may_report = false;
  for (; !may_report && std::chrono::steady_clock::now() - reported < std::chrono::seconds(5);
       sleep_seconds(0.01)) {
    board.beat();
    may_report = board.claim_report();
  }
  EXPECT_TRUE(may_report);
  EXPECT_NE(::testing::internal::GetCapturedStderr().find("got further for 0.1 s"), std::string::npos);
}

TEST(Watchdog, LetsARunPassInWhichOneRankGetsFurther) {
  const Communicator world = Communicator::world();
  ProgressBoard board(world);
  const Watchdog watchdog(world, board, 0.5, Stall::no_progress);
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
