#include "lockstep/train/validation_split.hpp"

#include <gtest/gtest.h>

#include <map>

#include "lockstep/core/error.hpp"

namespace lockstep {
namespace {

TEST(ValidationSplit, TakesTheLastRowsAsKerasDoes) {
  // Keras: split_at = floor(rows * (1 - validation_split)).
  EXPECT_EQ(split_last(60000, 0.2).training, (RowRuns{{0, 48000}}));
  EXPECT_EQ(split_last(60000, 0.2).validation, (RowRuns{{48000, 60000}}));
  EXPECT_EQ(split_last(10, 0.25).training, (RowRuns{{0, 7}}));
  EXPECT_EQ(split_last(10, 0.33).validation, (RowRuns{{6, 10}}));
}

TEST(ValidationSplit, OfNothingKeepsEverything) {
  EXPECT_EQ(split_last(10, 0).training, (RowRuns{{0, 10}}));
  EXPECT_TRUE(split_last(10, 0).validation.empty());
}

TEST(ValidationSplit, RefusesEmptyParts) {
  EXPECT_THROW(split_last(10, 0.95), UserError);
  EXPECT_THROW(split_last(1, 0.5), UserError);
  EXPECT_THROW(split_last(0, 0), UserError);
}

std::vector<std::int32_t> labels() {
  std::vector<std::int32_t> classes;
  for (std::int32_t i = 0; i < 300; ++i) classes.push_back(i % 3 == 0 ? 0 : i % 2 == 0 ? 1 : 5);
  return classes;
}

TEST(ValidationSplit, PerClassHoldsOutTheSameShareOfEach) {
  const std::vector<std::int32_t> classes = labels();
  const RowSplit split = split_per_class(classes, 0.2, 1);
  std::map<std::int32_t, std::size_t> held_out;
  std::vector<int> seen(classes.size());
  for (const Range& run : split.validation) {
    for (std::size_t row = run.begin; row < run.end; ++row) ++held_out[classes[row]], ++seen[row];
  }
  for (const Range& run : split.training) {
    for (std::size_t row = run.begin; row < run.end; ++row) ++seen[row];
  }
  EXPECT_EQ(held_out, (std::map<std::int32_t, std::size_t>{{0, 20}, {1, 20}, {5, 20}}));
  EXPECT_EQ(seen, std::vector<int>(classes.size(), 1));
}

TEST(ValidationSplit, PerClassFollowsTheSeed) {
  const std::vector<std::int32_t> classes = labels();
  EXPECT_EQ(split_per_class(classes, 0.3, 4).training, split_per_class(classes, 0.3, 4).training);
  EXPECT_NE(split_per_class(classes, 0.3, 4).training, split_per_class(classes, 0.3, 5).training);
}

}  // namespace
}  // namespace lockstep
