#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "lockstep/io/dataset_writer.hpp"

namespace lockstep::testing {

/// Rows of three classes that a small network can learn: float32 x (rows, features), class by a noisy rule.
struct SyntheticRows {
  SyntheticRows(std::size_t rows_, std::size_t features_, unsigned seed) : rows(rows_), features(features_) {
    std::mt19937 engine(seed);
    for (std::size_t i = 0; i < rows; ++i) {
      double sum = 0;
      for (std::size_t j = 0; j < features; ++j) {
        const double value = static_cast<double>(engine()) / 2147483648.0 - 1.0;
        sum += j % 2 == 0 ? value : -value;
        x.push_back(static_cast<float>(value));
      }
      classes.push_back(sum < -0.5 ? 0 : sum < 0.5 ? 1 : 2);
    }
  }
  std::size_t rows, features;
  std::vector<float> x;
  std::vector<std::int32_t> classes;
};

/// A dataset file of such rows. One process.
inline DatasetInfo write_synthetic_dataset(const std::string& path, std::size_t train_rows,
                                           std::size_t test_rows, std::size_t features = 7) {
  const DatasetAttributes attributes{Task::classification, {"low", "middle", "high"}, 1, "synthetic"};
  return write_dataset(path, attributes, [&](DatasetWriter& writer) {
    const auto write_split = [&](Split split, const SyntheticRows& rows) {
      ArrayWriter x = writer.array(split, "x", ElementType::float32, {rows.rows, rows.features});
      x.append(rows.x.data(), rows.rows);
      x.finish();
      ArrayWriter y = writer.array(split, "y", ElementType::int32, {rows.rows});
      y.append(rows.classes.data(), rows.rows);
      y.finish();
    };
    write_split(Split::train, SyntheticRows(train_rows, features, 1));
    write_split(Split::test, SyntheticRows(test_rows, features, 2));
  });
}

}  // namespace lockstep::testing
