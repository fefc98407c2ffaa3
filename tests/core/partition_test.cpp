#include "lockstep/core/partition.hpp"

#include <gtest/gtest.h>

namespace lockstep {
namespace {

TEST(BlockPartition, CoversEverythingOnceInOrder) {
  for (std::size_t count = 0; count <= 40; ++count) {
    for (std::size_t parts = 1; parts <= 12; ++parts) {
      std::size_t next = 0;
      for (std::size_t index = 0; index < parts; ++index) {
        const Range part = block_partition(count, parts, index);
        EXPECT_EQ(part.begin, next);
        next = part.end;
      }
      EXPECT_EQ(next, count);
    }
  }
}

TEST(BlockPartition, SizesDifferByAtMostOneAndLargerOnesComeFirst) {
  for (std::size_t count = 0; count <= 40; ++count) {
    for (std::size_t parts = 1; parts <= 12; ++parts) {
      for (std::size_t index = 0; index < parts; ++index) {
        EXPECT_EQ(block_partition(count, parts, index).size(), (count + parts - 1 - index) / parts);
      }
    }
  }
}

TEST(BlockPartition, OwnerIsThePartThatHoldsTheThing) {
  for (std::size_t count = 1; count <= 40; ++count) {
    for (std::size_t parts = 1; parts <= 50; ++parts) {
      for (std::size_t i = 0; i < count; ++i) {
        const std::size_t owner = block_owner(count, parts, i);
        ASSERT_LT(owner, parts);
        EXPECT_TRUE(block_partition(count, parts, owner).contains(i));
      }
    }
  }
}

}  // namespace
}  // namespace lockstep
