#include "lockstep/dist/rank_barrier.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <thread>
#include <vector>

namespace lockstep {
namespace {

/// Runs work(barrier, rank) on one thread a rank.
void run_ranks(std::size_t ranks, const std::function<void(RankBarrier&, std::size_t)>& work) {
  std::vector<RankBarrier::Line> lines(ranks);
  std::vector<std::thread> threads;
  for (std::size_t rank = 0; rank < ranks; ++rank) {
    threads.emplace_back([&, rank] {
      RankBarrier barrier(lines.data(), ranks, rank);
      work(barrier, rank);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(RankBarrier, EveryoneSeesWhatEveryoneWroteBefore) {
  constexpr std::size_t ranks = 5;
  std::vector<std::size_t> values(ranks);  // plain memory: what orders it is the barrier alone
  run_ranks(ranks, [&](RankBarrier& barrier, std::size_t rank) {
    for (std::size_t round = 1; round <= 2000; ++round) {
      values[rank] = round * (rank + 1);
      barrier.wait();
      for (std::size_t other = 0; other < ranks; ++other) ASSERT_EQ(values[other], round * (other + 1));
      barrier.wait();
    }
  });
}

TEST(RankBarrier, CarriesTheFlagsOfThatRoundToAll) {
  run_ranks(3, [&](RankBarrier& barrier, std::size_t rank) {
    for (StepFlags round = 0; round < 3000; ++round) {
      const StepFlags mine = round % 3 == rank ? round << 2 : 0;
      ASSERT_EQ(barrier.wait(mine), round << 2);
    }
  });
}

TEST(RankBarrier, RanksThatSleepAreWoken) {
  run_ranks(3, [&](RankBarrier& barrier, std::size_t rank) {
    for (std::size_t round = 0; round < 6; ++round) {
      if (round % 3 == rank) std::this_thread::sleep_for(std::chrono::milliseconds(20));
      barrier.wait();
    }
  });
}

}  // namespace
}  // namespace lockstep
