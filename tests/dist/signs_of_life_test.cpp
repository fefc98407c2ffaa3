#include "lockstep/dist/signs_of_life.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "lockstep/core/seconds_since.hpp"

namespace lockstep {
namespace {

constexpr double timeout_seconds = 1;

void sleep_ms(int count) {
  std::this_thread::sleep_for(std::chrono::milliseconds(count));
}

/// For some seconds; what was missing at the end.
std::string exchange_for(SignsOfLife& signs, double seconds, int ranks = 1, int pause_ms = 2) {
  for (const auto start = std::chrono::steady_clock::now(); seconds_since(start) < seconds;
       sleep_ms(pause_ms))
    signs.exchange(ranks, false);
  return signs.missing();
}

TEST(SignsOfLife, MissesNobodyWhoShowsItself) {
  const Communicator world = Communicator::world();
  SignsOfLife signs(world, timeout_seconds);
  EXPECT_EQ(exchange_for(signs, 3 * timeout_seconds), "");
}

TEST(SignsOfLife, MissesNobodyWhoIsSlow) {
  const Communicator world = Communicator::world();
  SignsOfLife signs(world, timeout_seconds);
  for (const bool root_is_slow : {true, false}) {
    const bool slow = world.is_root() == root_is_slow;
    EXPECT_EQ(exchange_for(signs, 3 * timeout_seconds, 1, slow ? 600 : 2), "");
    world.barrier();
  }
}

TEST(SignsOfLife, CarryTheWordOfTheRoot) {
  const Communicator world = Communicator::world();
  SignsOfLife signs(world, timeout_seconds);
  exchange_for(signs, 0.5);
  EXPECT_EQ(signs.told(), 0);
  world.barrier();
  if (world.is_root()) signs.tell(7);
  exchange_for(signs, 0.5);
  EXPECT_EQ(signs.told(), 7);
}

TEST(SignsOfLife, LetsOthersWork) {
  const Communicator world = Communicator::world();
  if (world.size() < 3) GTEST_SKIP() << "one is missing, one works, the root waits";
  SignsOfLife signs(world, timeout_seconds);
  std::string missing;
  if (world.rank() == 1) sleep_ms(5500);
  for (const auto start = std::chrono::steady_clock::now(); world.rank() != 1 && seconds_since(start) < 5;
       sleep_ms(2)) {
    signs.exchange(1, world.rank() == 2 && seconds_since(start) < 3.5);
    if (world.is_root() && seconds_since(start) < 3.2) {
      EXPECT_EQ(signs.missing(), "");
    }
  }
  if (world.is_root()) {
    EXPECT_NE(signs.missing().find("from rank 1 on "), std::string::npos) << signs.missing();
  }
  if (world.rank() == 1) signs.exchange(1, false);
}

TEST(SignsOfLife, NamesWhoDoesNot) {
  const Communicator world = Communicator::world();
  SignsOfLife signs(world, timeout_seconds);
  const int last = world.size() - 1;
  const std::string host = world.all_gather_text(world.host()).back();
  if (world.size() > 1 && world.rank() == last) {
    sleep_ms(3500);
    EXPECT_EQ(signs.missing(), "");
    signs.exchange(1, false);
  } else {
    const std::string missing = exchange_for(signs, 3 * timeout_seconds);
    EXPECT_EQ(missing, world.is_root() && last > 0
                           ? "no sign of life for 2 s (twice --stall-timeout, at least 2 s) from rank " +
                                 std::to_string(last) + " on " + host
                           : "");
  }
}

TEST(SignsOfLife, NamesTheRoot) {
  const Communicator world = Communicator::world();
  SignsOfLife signs(world, timeout_seconds);
  const std::string host = world.all_gather_text(world.host()).front();
  if (world.is_root()) {
    sleep_ms(3500);
  } else {
    EXPECT_EQ(exchange_for(signs, 3 * timeout_seconds),
              "no sign of life for 2 s (twice --stall-timeout, at least 2 s) from rank 0 on " + host);
  }
  // It is there again, and has the others' signs of the meantime.
  world.barrier();
  EXPECT_EQ(exchange_for(signs, 0.5), "");
}

TEST(SignsOfLife, AreShownForAGroup) {
  const Communicator world = Communicator::world();
  SignsOfLife signs(world, timeout_seconds);
  const bool speaks = world.rank() < 2;  // rank 1 for all after it
  if (speaks) {
    EXPECT_EQ(exchange_for(signs, 3 * timeout_seconds, world.is_root() ? 1 : world.size() - 1), "");
  } else {
    sleep_ms(3000);
  }
}

TEST(SignsOfLife, TakesATimeoutFromTheFirstLookOn) {
  const Communicator world = Communicator::world();
  SignsOfLife signs(world, timeout_seconds);
  sleep_ms(2500);  // e.g. the process was stopped
  signs.exchange(1, false);
  EXPECT_EQ(signs.missing(), "");
}

}  // namespace
}  // namespace lockstep
