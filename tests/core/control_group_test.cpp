#include "lockstep/core/control_group.hpp"

#include <gtest/gtest.h>

#include <filesystem>

#include "temporary_directory.hpp"

namespace lockstep {
namespace {

/// A tree of control groups as Linux shows it.
class ControlGroups : public ::testing::Test {
 protected:
  void add(const std::string& file, const std::string& content) {
    const std::string path = directory_ / file;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    write_text(path, content);
  }
  ControlGroupLimits limits(const std::string& groups) {
    add("cgroup", groups);
    return control_group_limits(directory_ / "cgroup", directory_ / "fs");
  }

 private:
  TemporaryDirectory directory_;
};

TEST_F(ControlGroups, AreNotLimitedWhereNothingIsFound) {
  const ControlGroupLimits found = limits("");
  EXPECT_FALSE(found.memory_bytes || found.available_memory_bytes || found.cores);
  EXPECT_FALSE(control_group_limits("/nowhere/cgroup", "/nowhere").memory_bytes);
}

TEST_F(ControlGroups, OfVersion2LimitByTheLeastOfAllAround) {
  add("fs/cpu.max", "max 100000\n");
  add("fs/job/memory.max", "3000000\n");
  add("fs/job/memory.stat", "anon 500000\nfile 2000000\nkernel 7\nshmem 250000\n");
  add("fs/job/cpu.max", "250000 100000\n");
  add("fs/job/step/memory.max", "max\n");
  add("fs/job/step/cpu.max", "400000 100000\n");
  const ControlGroupLimits found = limits("0::/job/step\n");
  EXPECT_EQ(found.memory_bytes, 3000000U);
  EXPECT_EQ(found.available_memory_bytes, 2250000U);  // file caches make room, shared memory does not
  EXPECT_EQ(found.cores, 2.5);
}

TEST_F(ControlGroups, OfVersion2HaveNothingLeftWhereTheyAreFull) {
  add("fs/memory.max", "1000\n");
  add("fs/memory.stat", "anon 4000\n");
  EXPECT_EQ(limits("0::/\n").available_memory_bytes, 0U);
}

TEST_F(ControlGroups, OfVersion1AreFoundByController) {
  add("fs/memory/slurm/memory.limit_in_bytes", "9000000\n");
  add("fs/memory/slurm/memory.stat", "cache 5\ntotal_rss 1000000\ntotal_shmem 2000000\n");
  add("fs/memory/slurm/job_1/memory.limit_in_bytes", "9223372036854771712\n");
  add("fs/cpu/slurm/cpu.cfs_quota_us", "-1\n");
  add("fs/cpu/slurm/cpu.cfs_period_us", "100000\n");
  add("fs/cpu/slurm/job_1/cpu.cfs_quota_us", "150000\n");
  add("fs/cpu/slurm/job_1/cpu.cfs_period_us", "100000\n");
  const ControlGroupLimits found =
      limits("4:memory:/slurm/job_1\n3:cpuset:/\n2:cpu,cpuacct:/slurm/job_1\n0::/\n");
  EXPECT_EQ(found.memory_bytes, 9000000U);
  EXPECT_EQ(found.available_memory_bytes, 6000000U);
  EXPECT_EQ(found.cores, 1.5);
}

TEST_F(ControlGroups, OfTheHostAreTheMountItselfInAContainer) {
  add("fs/memory/memory.limit_in_bytes", "64\n");
  EXPECT_EQ(limits("4:memory:/docker/553fc6d2\n").memory_bytes, 64U);
}

}  // namespace
}  // namespace lockstep
