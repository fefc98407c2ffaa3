#include "lockstep/nn/metrics.hpp"

#include <numeric>

namespace lockstep {
namespace {

double ratio_or_zero(std::int64_t part, std::int64_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

ConfusionMatrix::ConfusionMatrix(std::size_t classes)
    : correct_(classes),
      actual_(classes),
      predicted_(classes),
      counts_(has_counts() ? classes * classes : 0) {}

void ConfusionMatrix::add(std::size_t true_class, std::size_t predicted_class) {
  ++actual_[true_class];
  ++predicted_[predicted_class];
  if (true_class == predicted_class) ++correct_[true_class];
  if (has_counts()) ++counts_[true_class * classes() + predicted_class];
}

std::int64_t ConfusionMatrix::count(std::size_t true_class, std::size_t predicted_class) const {
  return counts_[true_class * classes() + predicted_class];
}

double ConfusionMatrix::precision(std::size_t of_class) const {
  return ratio_or_zero(correct_[of_class], predicted_[of_class]);
}

double ConfusionMatrix::recall(std::size_t of_class) const {
  return ratio_or_zero(correct_[of_class], actual_[of_class]);
}

// 2 TP / (2 TP + FP + FN): the harmonic mean without a division by zero in between.
double ConfusionMatrix::f1(std::size_t of_class) const {
  return ratio_or_zero(2 * correct_[of_class], predicted_[of_class] + actual_[of_class]);
}

double ConfusionMatrix::accuracy() const {
  const auto sum = [](const std::vector<std::int64_t>& counts) {
    return std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
  };
  return ratio_or_zero(sum(correct_), sum(actual_));
}

template <class T>
std::size_t argmax(std::span<const T> row) {
  std::size_t best = 0;
  for (std::size_t k = 1; k < row.size(); ++k) {
    if (row[k] > row[best]) best = k;
  }
  return best;
}

template <class T>
bool in_top_k(std::span<const T> row, std::size_t true_class, std::size_t k) {
  std::size_t ranked_before = 0;
  for (std::size_t c = 0; c < row.size(); ++c) {
    ranked_before += row[c] > row[true_class] || (row[c] == row[true_class] && c < true_class) ? 1 : 0;
  }
  return ranked_before < k;
}

template std::size_t argmax(std::span<const float>);
template std::size_t argmax(std::span<const double>);
template bool in_top_k(std::span<const float>, std::size_t, std::size_t);
template bool in_top_k(std::span<const double>, std::size_t, std::size_t);

}  // namespace lockstep
