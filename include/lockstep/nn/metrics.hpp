#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "lockstep/core/matrix.hpp"

namespace lockstep {

/// Counts of (true class, predicted class): (classes, classes), rows are the true ones. Of more than
/// `most_classes`, whose pairs would fill the memory and be read by nobody, only what single classes' figures
/// need.
class ConfusionMatrix {
 public:
  static constexpr std::size_t most_classes = 1000;

  explicit ConfusionMatrix(std::size_t classes);
  void add(std::size_t true_class, std::size_t predicted_class);
  bool has_counts() const { return classes() <= most_classes; }
  /// Requires has_counts().
  std::int64_t count(std::size_t true_class, std::size_t predicted_class) const;
  std::size_t classes() const { return correct_.size(); }

  /// Of one class: TP / (TP + FP), TP / (TP + FN), harmonic mean of both; 0 where a denominator is 0.
  double precision(std::size_t of_class) const;
  double recall(std::size_t of_class) const;
  double f1(std::size_t of_class) const;
  double accuracy() const;

 private:
  std::vector<std::int64_t> correct_, actual_, predicted_;  // (classes)
  std::vector<std::int64_t> counts_;                        // (classes, classes), or empty
};

/// Index of the largest element, the first of equals. Requires a non-empty row.
template <class T>
std::size_t argmax(std::span<const T> row);

/// Whether `true_class` is among the k largest of `row` (equal values rank in index order).
template <class T>
bool in_top_k(std::span<const T> row, std::size_t true_class, std::size_t k);

}  // namespace lockstep
