#include "lockstep/train/stop_conditions.hpp"

#include <gtest/gtest.h>
#include <signal.h>

#include <cstdlib>
#include <string>
#include <thread>

#include "user_error_message.hpp"

namespace lockstep {
namespace {

std::string seconds_from_now(std::int64_t seconds) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(now).count() + seconds);
}

class StopConditionsTest : public ::testing::Test {
 protected:
  StopConditionsTest() { forget_variables(); }
  ~StopConditionsTest() override { forget_variables(); }
  static void forget_variables() {
    ::unsetenv("SLURM_JOB_END_TIME");
    ::unsetenv("LOCKSTEP_JOB_END_TIME");
  }
};

TEST_F(StopConditionsTest, NothingAsksToStop) {
  StopConditions stop(std::nullopt, 0);
  EXPECT_FALSE(stop_is_requested(stop.flags()));
}

TEST_F(StopConditionsTest, NamesTheSignal) {
  const std::pair<int, const char*> signals[] = {
      {SIGTERM, "SIGTERM"}, {SIGINT, "SIGINT"}, {SIGUSR1, "SIGUSR1"}};
  for (const auto& [signal, name] : signals) {
    StopConditions stop(std::nullopt, 0);
    ::raise(signal);
    EXPECT_TRUE(stop_is_requested(stop.flags()));
    EXPECT_EQ(stop_reason(stop.flags()), name);
  }
}

TEST_F(StopConditionsTest, MaxSeconds) {
  StopConditions stop(0.02, 0);
  EXPECT_EQ(stop.flags(), 0U);
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  EXPECT_EQ(stop_reason(stop.flags()), "max-seconds");
}

TEST_F(StopConditionsTest, TheJobsEndComesWithTimeForACheckpoint) {
  ::setenv("SLURM_JOB_END_TIME", seconds_from_now(27).c_str(), 1);
  EXPECT_EQ(StopConditions(std::nullopt, 1).flags(), 0U);
  EXPECT_EQ(stop_reason(StopConditions(std::nullopt, 40).flags()), "slurm time limit");
  ::setenv("SLURM_JOB_END_TIME", seconds_from_now(5).c_str(), 1);
  EXPECT_EQ(stop_reason(StopConditions(std::nullopt, 0).flags()), "slurm time limit");
}

TEST_F(StopConditionsTest, AGuessStopsNoJobThatIsTooShortForItAndEndsWithTheFirstCheckpoint) {
  ::setenv("SLURM_JOB_END_TIME", seconds_from_now(60).c_str(), 1);
  EXPECT_EQ(StopConditions(std::nullopt, 1000).flags(), 0U);
  ::setenv("SLURM_JOB_END_TIME", seconds_from_now(27).c_str(), 1);
  StopConditions stop(std::nullopt, 1000);
  EXPECT_EQ(stop_reason(stop.flags()), "slurm time limit");
  stop.checkpoint_was_written();
  EXPECT_EQ(stop.flags(), 0U);
}

TEST_F(StopConditionsTest, WhatComesBeforeTheFirstStepIsNoPause) {
  ::setenv("LOCKSTEP_JOB_END_TIME", seconds_from_now(12).c_str(), 1);
  StopConditions stop(std::nullopt, 0);
  std::this_thread::sleep_for(std::chrono::milliseconds(600));
  EXPECT_EQ(stop.flags(), 0U);
}

TEST_F(StopConditionsTest, PausesAreMeasured) {
  ::setenv("LOCKSTEP_JOB_END_TIME", seconds_from_now(12).c_str(), 1);
  StopConditions stop(std::nullopt, 0);
  EXPECT_EQ(stop.flags(), 0U);
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));  // 10 s to spare, and twice this pause
  EXPECT_EQ(stop_reason(stop.flags()), "time limit of the job");
}

TEST_F(StopConditionsTest, WhatIsNoTimeIsNoLimit) {
  for (const char* text : {"", "UNLIMITED", "12x", "-5", "0", "18446744073709551615", "99999999999"}) {
    ::setenv("SLURM_JOB_END_TIME", text, 1);
    EXPECT_FALSE(job_end_from_environment()) << text;
  }
}

TEST_F(StopConditionsTest, OurOwnVariableHasToBeATime) {
  for (const char* text : {"abc", "12x", "-5", "0", "2030-01-01"}) {
    ::setenv("LOCKSTEP_JOB_END_TIME", text, 1);
    const std::string message = user_error_message([] { job_end_from_environment(); });
    EXPECT_NE(message.find("LOCKSTEP_JOB_END_TIME: expected whole seconds since 1970"), std::string::npos);
    EXPECT_NE(message.find(std::string("found '") + text + "'"), std::string::npos) << message;
  }
  for (const char* text : {"", "99999999999"}) {
    ::setenv("LOCKSTEP_JOB_END_TIME", text, 1);
    EXPECT_FALSE(job_end_from_environment()) << text;
  }
}

}  // namespace
}  // namespace lockstep
