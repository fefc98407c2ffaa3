#include "row_pattern.hpp"

#include <algorithm>

namespace lockstep {
namespace {

/// Joins touching runs, then cuts the runs longer than `most_rows`.
RowRuns tidy(const RowRuns& runs, std::size_t most_rows) {
  RowRuns joined;
  for (const Range& run : runs) {
    if (run.empty()) continue;
    if (!joined.empty() && joined.back().end == run.begin) {
      joined.back().end = run.end;
    } else {
      joined.push_back(run);
    }
  }
  RowRuns cut;
  for (const Range& run : joined) {
    for (std::size_t begin = run.begin; begin < run.end; begin += most_rows) {
      cut.push_back({begin, begin + std::min(most_rows, run.end - begin)});
    }
  }
  return cut;
}

bool continues(const RowPattern& pattern, const Range& run, std::size_t most_rows) {
  if (run.size() != pattern.block || pattern.rows() + pattern.block > most_rows) return false;
  return pattern.count == 1 || run.begin == pattern.start + pattern.count * pattern.stride;
}

}  // namespace

std::vector<RowPattern> regular_patterns(const RowRuns& runs, std::size_t most_rows) {
  std::vector<RowPattern> patterns;
  for (const Range& run : tidy(runs, std::max<std::size_t>(most_rows, 1))) {
    if (!patterns.empty() && continues(patterns.back(), run, most_rows)) {
      RowPattern& pattern = patterns.back();
      if (pattern.count == 1) pattern.stride = run.begin - pattern.start;
      ++pattern.count;
    } else {
      patterns.push_back({run.begin, run.size(), 1, run.size()});
    }
  }
  return patterns;
}

std::size_t file_row(const RowRuns& runs, std::size_t position) {
  for (const Range& run : runs) {
    if (position < run.size()) return run.begin + position;
    position -= run.size();
  }
  return position;
}

std::size_t row_count(const RowRuns& runs) {
  std::size_t rows = 0;
  for (const Range& run : runs) rows += run.size();
  return rows;
}

}  // namespace lockstep
