#include "lockstep/core/version.hpp"

#include <gtest/gtest.h>

#include <cctype>
#include <cstdlib>
#include <string>

#include "lockstep/core/error.hpp"

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

// CTest runs this with LOCKSTEP_ISA unset and set to each narrower set.
TEST(InstructionSet, IsTheOneAskedFor) {
  const char* const wanted = std::getenv("LOCKSTEP_ISA");
  const std::string found = instruction_set();
  if (wanted != nullptr) {
    EXPECT_EQ(found, wanted);
  } else {
    EXPECT_TRUE(found == "baseline" || found == "avx2" || found == "avx512") << found;
  }
}

}  // namespace
}  // namespace lockstep
