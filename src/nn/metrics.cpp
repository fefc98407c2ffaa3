#include "lockstep/nn/metrics.hpp"

namespace lockstep {
namespace {

double ratio_or_zero(std::int64_t part, std::int64_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

ConfusionMatrix::ConfusionMatrix(std::size_t classes) : classes_(classes), counts_(classes * classes) {}

void ConfusionMatrix::add(std::size_t true_class, std::size_t predicted_class) {
  ++counts_[true_class * classes_ + predicted_class];
}

std::int64_t ConfusionMatrix::count(std::size_t true_class, std::size_t predicted_class) const {
  return counts_[true_class * classes_ + predicted_class];
}

double ConfusionMatrix::precision(std::size_t of_class) const {
  std::int64_t predicted = 0;
  for (std::size_t c = 0; c < classes_; ++c) predicted += count(c, of_class);
  return ratio_or_zero(count(of_class, of_class), predicted);
}

double ConfusionMatrix::recall(std::size_t of_class) const {
  std::int64_t actual = 0;
  for (std::size_t c = 0; c < classes_; ++c) actual += count(of_class, c);
  return ratio_or_zero(count(of_class, of_class), actual);
}

// 2 TP / (2 TP + FP + FN): the harmonic mean without a division by zero in between.
double ConfusionMatrix::f1(std::size_t of_class) const {
  std::int64_t predicted_plus_actual = 0;
  for (std::size_t c = 0; c < classes_; ++c) predicted_plus_actual += count(c, of_class) + count(of_class, c);
  return ratio_or_zero(2 * count(of_class, of_class), predicted_plus_actual);
}

double ConfusionMatrix::accuracy() const {
  std::int64_t correct = 0, all = 0;
  for (std::size_t c = 0; c < classes_; ++c) correct += count(c, c);
  for (const std::int64_t n : counts_) all += n;
  return ratio_or_zero(correct, all);
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
