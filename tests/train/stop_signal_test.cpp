#include "lockstep/train/stop_signal.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

namespace lockstep {
namespace {

TEST(StopSignal, RemembersTheFirstOfTheWatchedSignals) {
  for (const int signal : {SIGTERM, SIGINT, SIGUSR1}) {
    const StopSignal stop;
    EXPECT_FALSE(stop.requested());
    ::raise(signal);
    EXPECT_TRUE(stop.requested());
    EXPECT_EQ(stop.signal(), signal);
    ::raise(SIGUSR1);
    EXPECT_EQ(stop.signal(), signal);
  }
}

TEST(StopSignal, InnerObjectsKnowWhatTheOuterOneReceived) {
  const StopSignal outer;
  ::raise(SIGTERM);
  {
    const StopSignal inner;
    EXPECT_TRUE(inner.requested());
  }
  EXPECT_TRUE(outer.requested());
  ::raise(SIGUSR1);  // still caught
}

TEST(StopSignal, GivesTheFormerHandlersBack) {
  ::signal(SIGUSR1, SIG_IGN);
  { const StopSignal stop; }
  struct sigaction now {};
  ::sigaction(SIGUSR1, nullptr, &now);
  EXPECT_EQ(now.sa_handler, SIG_IGN);
  ::signal(SIGUSR1, SIG_DFL);
}

class StopSignalDeathTest : public ::testing::Test {
 protected:
  // MPI has started threads, which a mere fork would lose.
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

TEST_F(StopSignalDeathTest, ASecondInterruptEndsTheProcessAtOnce) {
  EXPECT_EXIT(
      {
        const StopSignal stop;
        ::raise(SIGINT);
        ::raise(SIGINT);
      },
      ::testing::KilledBySignal(SIGINT), "");
}

TEST_F(StopSignalDeathTest, AnInterruptAfterAnotherSignalIsStillARequest) {
  EXPECT_EXIT(
      {
        const StopSignal stop;
        ::raise(SIGTERM);
        ::raise(SIGINT);
        ::_exit(stop.signal() == SIGTERM ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace lockstep
