#include "lockstep/core/checked_cast.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <limits>

namespace lockstep {
namespace {

TEST(CheckedCast, KeepsValuesThatFit) {
  EXPECT_EQ(checked_cast<int>(std::size_t{2147483647}), 2147483647);
  EXPECT_EQ(checked_cast<std::uint8_t>(255), 255);
  EXPECT_EQ(checked_cast<std::int8_t>(-128), -128);
  EXPECT_EQ(checked_cast<std::uint64_t>(0), 0U);
}

TEST(CheckedCast, RefusesValuesThatDoNotFit) {
  EXPECT_THROW(checked_cast<int>(std::size_t{2147483648}), OverflowError);
  EXPECT_THROW(checked_cast<std::uint8_t>(256), OverflowError);
  EXPECT_THROW(checked_cast<std::size_t>(-1), OverflowError);
  EXPECT_THROW(checked_cast<std::int64_t>(std::numeric_limits<std::uint64_t>::max()), OverflowError);
}

TEST(CheckedCast, SaysWhatDoesNotFit) {
  try {
    checked_cast<int>(std::int64_t{1} << 40, "a message length");
    FAIL() << "nothing was thrown";
  } catch (const OverflowError& error) {
    EXPECT_STREQ(error.what(), "a message length of 1099511627776 does not fit into 32 bits");
  }
}

TEST(CheckedProduct, MultipliesWhatFits) {
  EXPECT_EQ(checked_product<std::size_t>(60000, 784), 47040000U);
  EXPECT_EQ(checked_product<std::size_t>(0, std::numeric_limits<std::size_t>::max()), 0U);
}

TEST(CheckedProduct, RefusesWhatDoesNotFit) {
  try {
    checked_product<std::size_t>(std::size_t{1} << 32, std::size_t{1} << 32, "a dataset");
    FAIL() << "nothing was thrown";
  } catch (const OverflowError& error) {
    EXPECT_STREQ(error.what(), "a dataset of 4294967296 x 4294967296 is too large");
  }
}

}  // namespace
}  // namespace lockstep
