#include "lockstep/app/launch_plan.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "lockstep/core/error.hpp"

namespace lockstep {
namespace {

using Seconds = std::chrono::duration<double>;

TEST(LaunchPlan, ParsesHosts) {
  const std::vector<HostSlots> hosts = parse_hosts("a:3,b,c:1", 6);
  ASSERT_EQ(hosts.size(), 3U);
  EXPECT_EQ(hosts[0].name, "a");
  EXPECT_EQ(hosts[0].slots, 3U);
  EXPECT_EQ(hosts[1].slots, 2U);  // an equal share of 6
  EXPECT_EQ(total_slots(hosts), 6U);
  for (const char* wrong : {"", ",", "a:", "a:0", "a:x", ":2", "a:2x"}) {
    EXPECT_THROW(parse_hosts(wrong, 2), UserError) << wrong;
  }
}

TEST(LaunchPlan, CommandOfMpirun) {
  const std::vector<std::string> command =
      launcher_command("mpirun --bind-to core", 3, {{"a", 2}, {"b", 1}}, {"x", "y z"});
  const std::vector<std::string> begin{"mpirun", "--bind-to", "core", "-n", "3", "--host", "a:2,b:1"};
  ASSERT_GT(command.size(), begin.size());
  EXPECT_TRUE(std::equal(begin.begin(), begin.end(), command.begin()));
  EXPECT_EQ(command[command.size() - 2], "x");
  EXPECT_EQ(command.back(), "y z");
  EXPECT_NE(std::find(command.begin(), command.end(), "oob_tcp_keepalive_time"), command.end());
}

TEST(LaunchPlan, CommandOfSrun) {
  const std::vector<std::string> expected{"/usr/bin/srun",        "--mpi=pmix", "-n", "4",
                                          "--kill-on-bad-exit=1", "lockstep"};
  EXPECT_EQ(launcher_command("/usr/bin/srun --mpi=pmix", 4, {}, {"lockstep"}), expected);
  const std::vector<std::string> on_hosts{
      "srun", "-n", "3", "--kill-on-bad-exit=1", "--nodes=2", "--nodelist=a,b", "lockstep"};
  EXPECT_EQ(launcher_command("srun", 3, {{"a", 2}, {"b", 1}}, {"lockstep"}), on_hosts);
}

TEST(RestartPolicy, WaitsLongerWithoutProgressAndNotLongerThanAMinute) {
  RestartPolicy policy(100, Seconds(40));
  EXPECT_EQ(policy.after_failure(10), Seconds(40));
  EXPECT_EQ(policy.after_failure(10), Seconds(60));
  EXPECT_EQ(policy.after_failure(20), Seconds(40));
}

TEST(RestartPolicy, EndsAfterThreeFailuresAtOneStep) {
  RestartPolicy policy(100, Seconds(0));
  EXPECT_TRUE(policy.after_failure(10));
  EXPECT_TRUE(policy.after_failure(20));
  EXPECT_TRUE(policy.after_failure(20));
  EXPECT_FALSE(policy.after_failure(20));
  EXPECT_NE(policy.reason().find("3 times without progress"), std::string::npos) << policy.reason();
  RestartPolicy never(100, Seconds(0));
  EXPECT_TRUE(never.after_failure(std::nullopt));
  EXPECT_TRUE(never.after_failure(std::nullopt));
  EXPECT_FALSE(never.after_failure(std::nullopt));
}

TEST(RestartPolicy, EndsWhenTheRestartsAreUsedUp) {
  RestartPolicy policy(2, Seconds(0));
  EXPECT_TRUE(policy.after_failure(1));
  EXPECT_TRUE(policy.after_failure(2));
  EXPECT_FALSE(policy.after_failure(3));
  EXPECT_NE(policy.reason().find("--max-restarts 2"), std::string::npos);
  EXPECT_FALSE(RestartPolicy(0, Seconds(0)).after_failure(1));
}

}  // namespace
}  // namespace lockstep
