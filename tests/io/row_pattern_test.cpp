#include "row_pattern.hpp"

#include <gtest/gtest.h>

#include <random>

namespace lockstep {
namespace {

std::vector<std::size_t> rows_of(const RowRuns& runs) {
  std::vector<std::size_t> rows;
  for (const Range& run : runs) {
    for (std::size_t row = run.begin; row < run.end; ++row) rows.push_back(row);
  }
  return rows;
}

std::vector<std::size_t> rows_of(const std::vector<RowPattern>& patterns) {
  std::vector<std::size_t> rows;
  for (const RowPattern& pattern : patterns) {
    for (std::size_t i = 0; i < pattern.count; ++i) {
      for (std::size_t j = 0; j < pattern.block; ++j) rows.push_back(pattern.start + i * pattern.stride + j);
    }
  }
  return rows;
}

TEST(RowPattern, OnePatternForTheSameRowsOfEveryBatch) {
  RowRuns runs;
  for (std::size_t batch = 0; batch < 468; ++batch) runs.push_back({batch * 128 + 32, batch * 128 + 64});
  EXPECT_EQ(regular_patterns(runs, 1'000'000), (std::vector<RowPattern>{{32, 128, 468, 32}}));
  EXPECT_EQ(regular_patterns(runs, 32 * 400).size(), 2u);
}

TEST(RowPattern, JoinsTouchingRunsAndCutsLongOnes) {
  EXPECT_EQ(regular_patterns({{0, 5}, {5, 10}, {10, 10}}, 100), (std::vector<RowPattern>{{0, 10, 1, 10}}));
  EXPECT_EQ(rows_of(regular_patterns({{0, 1000}}, 7)), rows_of(RowRuns{{0, 1000}}));
  EXPECT_EQ(regular_patterns({}, 7).size(), 0u);
}

TEST(RowPattern, KeepsAnyRowsInOrderWithinTheLimit) {
  std::mt19937 engine(1);
  for (int trial = 0; trial < 300; ++trial) {
    RowRuns runs;
    std::size_t row = engine() % 5;
    for (std::size_t i = engine() % 30; i > 0; --i) {
      const std::size_t length = engine() % 4;
      runs.push_back({row, row + length});
      row += length + engine() % 3;
    }
    const std::size_t most = 1 + engine() % 9;
    const std::vector<RowPattern> patterns = regular_patterns(runs, most);
    EXPECT_EQ(rows_of(patterns), rows_of(runs));
    for (const RowPattern& pattern : patterns) EXPECT_LE(pattern.rows(), most);
  }
}

TEST(RowPattern, FindsTheFileRowOfAPosition) {
  const RowRuns runs{{3, 5}, {10, 11}, {20, 25}};
  const std::vector<std::size_t> rows = rows_of(runs);
  EXPECT_EQ(row_count(runs), rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) EXPECT_EQ(file_row(runs, i), rows[i]);
}

}  // namespace
}  // namespace lockstep
