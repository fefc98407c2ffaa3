#include "lockstep/core/version.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <string>
#include <vector>

namespace lockstep {
namespace {

TEST(Version, IsThreeNumbers) {
  const std::string text = version();
  int dots = 0;
  for (const char c : text) {
    EXPECT_TRUE(c == '.' || std::isdigit(static_cast<unsigned char>(c))) << text;
    dots += c == '.' ? 1 : 0;
  }
  EXPECT_EQ(dots, 2) << text;
}

// CTest runs this with LOCKSTEP_ISA unset and set to each narrower set; the CPU may have none so wide.
TEST(InstructionSet, IsNoWiderThanAskedFor) {
  const std::vector<std::string> sets{"baseline", "avx2", "avx512"};
  const auto width_of = [&](const std::string& set) {
    return std::find(sets.begin(), sets.end(), set) - sets.begin();
  };
  const char* const limit = std::getenv("LOCKSTEP_ISA");
  EXPECT_LE(width_of(instruction_set()), width_of(limit == nullptr ? "avx512" : limit)) << instruction_set();
}

}  // namespace
}  // namespace lockstep
