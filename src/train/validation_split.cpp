#include "lockstep/train/validation_split.hpp"

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "lockstep/core/checked_cast.hpp"
#include "lockstep/core/error.hpp"
#include "lockstep/core/random.hpp"
#include "lockstep/core/text.hpp"

namespace lockstep {
namespace {

std::size_t training_count(std::size_t rows, double fraction) {
  return static_cast<std::size_t>(std::floor(static_cast<double>(rows) * (1.0 - fraction)));
}

void check_parts(std::size_t rows, std::size_t training_rows, double fraction) {
  if (training_rows > 0 && (training_rows < rows || fraction == 0)) return;
  throw UserError("--validation-split: expected a share of the " + std::to_string(rows) +
                  " rows that leaves rows for training and for validation, found " + format_exact(fraction) +
                  ", which trains on " + std::to_string(training_rows));
}

void append_row(std::size_t row, RowRuns& runs) {
  if (!runs.empty() && runs.back().end == row) {
    ++runs.back().end;
  } else {
    runs.push_back({row, row + 1});
  }
}

}  // namespace

RowSplit split_last(std::size_t rows, double fraction) {
  const std::size_t training_rows = training_count(rows, fraction);
  check_parts(rows, training_rows, fraction);
  RowSplit split{{{0, training_rows}}, {}};
  if (training_rows < rows) split.validation.push_back({training_rows, rows});
  return split;
}

RowSplit split_per_class(std::span<const std::int32_t> classes, double fraction, std::uint64_t seed) {
  std::map<std::int32_t, std::vector<std::size_t>> rows_of_class;
  for (std::size_t row = 0; row < classes.size(); ++row) rows_of_class[classes[row]].push_back(row);

  std::vector<bool> held_out(classes.size(), false);
  std::size_t training_rows = 0;
  for (const auto& [class_index, rows] : rows_of_class) {
    const Philox random(seed, RandomPurpose::validation_split, 0, static_cast<std::uint32_t>(class_index));
    const auto drawn =
        random_permutation(random, checked_cast<std::uint32_t>(rows.size(), "rows of a class"));
    const std::size_t kept = training_count(rows.size(), fraction);
    for (std::size_t i = kept; i < rows.size(); ++i) held_out[rows[drawn[i]]] = true;
    training_rows += kept;
  }
  check_parts(classes.size(), training_rows, fraction);

  RowSplit split;
  for (std::size_t row = 0; row < classes.size(); ++row) {
    append_row(row, held_out[row] ? split.validation : split.training);
  }
  return split;
}

}  // namespace lockstep
