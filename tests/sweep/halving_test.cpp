#include "lockstep/sweep/halving.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace lockstep {
namespace {

TEST(Halving, RungsAreFirstTimesPowersOfTheFactorBeforeTheEnd) {
  std::vector<std::uint64_t> rungs;
  for (std::uint64_t epoch = 1; epoch <= 54; ++epoch) {
    if (is_rung({2, 3}, epoch, 54)) rungs.push_back(epoch);
  }
  EXPECT_EQ(rungs, (std::vector<std::uint64_t>{2, 6, 18}));
  EXPECT_FALSE(is_rung({1, 2}, UINT64_MAX, UINT64_MAX));
}

TEST(Halving, OnlyTheBestShareGoesOn) {
  const HalvingSettings settings{1, 3};
  std::map<std::string, double> values{{"a", 0.1}};
  EXPECT_TRUE(decide(settings, 1, "a", values, true).goes_on) << "nobody to compare with";
  values["b"] = 0.2;
  EXPECT_TRUE(decide(settings, 1, "b", values, true).goes_on);
  values["c"] = 0.15;
  const HalvingDecision c = decide(settings, 1, "c", values, true);
  EXPECT_FALSE(c.goes_on);
  EXPECT_EQ(c.better, 1u);
  EXPECT_EQ(c.among, 3u);
  EXPECT_EQ(c.value, 0.15);
  for (const char* name : {"d", "e", "f"}) values[name] = 0.01;
  EXPECT_TRUE(decide(settings, 1, "c", values, true).goes_on) << "the second of six, a third";
  EXPECT_TRUE(decide(settings, 1, "d", values, false).goes_on) << "the smallest loss";
  EXPECT_FALSE(decide(settings, 1, "b", values, false).goes_on);
}

TEST(Halving, WhatIsNoNumberIsWorstAndTiesAreNot) {
  const HalvingSettings settings{1, 2};
  EXPECT_FALSE(decide(settings, 1, "a", {{"a", std::nan("")}, {"b", 0.0}}, true).goes_on);
  EXPECT_TRUE(decide(settings, 1, "b", {{"a", std::nan("")}, {"b", 0.0}}, true).goes_on);
  EXPECT_TRUE(decide(settings, 1, "a", {{"a", 0.5}, {"b", 0.5}}, true).goes_on);
}

}  // namespace
}  // namespace lockstep
