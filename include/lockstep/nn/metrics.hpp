#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "lockstep/core/matrix.hpp"

namespace lockstep {

/// Counts of (true class, predicted class): (classes, classes), rows are the true ones.
class ConfusionMatrix {
 public:
  explicit ConfusionMatrix(std::size_t classes);
  void add(std::size_t true_class, std::size_t predicted_class);
  std::int64_t count(std::size_t true_class, std::size_t predicted_class) const;
  std::size_t classes() const { return classes_; }

  /// Of one class: TP / (TP + FP), TP / (TP + FN), harmonic mean of both; 0 where a denominator is 0.
  double precision(std::size_t of_class) const;
  double recall(std::size_t of_class) const;
  double f1(std::size_t of_class) const;
  double accuracy() const;

 private:
  std::size_t classes_;
  std::vector<std::int64_t> counts_;
};

/// Index of the largest element, the first of equals. Requires a non-empty row.
template <class T>
std::size_t argmax(std::span<const T> row);

/// Whether `true_class` is among the k largest of `row` (equal values rank in index order).
template <class T>
bool in_top_k(std::span<const T> row, std::size_t true_class, std::size_t k);

}  // namespace lockstep
