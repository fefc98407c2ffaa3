#include "formula_activation.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "lockstep/core/error.hpp"
#include "lockstep/core/text.hpp"

namespace lockstep {
namespace {

constexpr int samples_to_a_side = 1600;
constexpr double farthest = 100;

std::string interval_text(double low, double high) {
  char text[80];
  std::snprintf(text, sizeof text, "[%.4g, %.4g] for |x| <= %g", low, high, farthest);
  return text;
}

/// f levels off on both sides: it hardly changes over the outer half.
bool levels_off(const std::vector<double>& values) {
  const std::size_t last = values.size() - 1;
  const auto change = [&](std::size_t i, std::size_t j) { return std::abs(values[i] - values[j]); };
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  const double little = 0.05 * (*high - *low);
  return change(0, last / 4) <= little && change(last, last - last / 4) <= little;
}

bool is_odd(const std::vector<double>& values) {
  for (std::size_t i = 0; i < values.size() / 2; ++i) {
    const double a = values[i], b = values[values.size() - 1 - i];
    if (!(std::abs(a + b) <= 1e-9 * std::max(1.0, std::abs(a)))) return false;
  }
  return true;
}

}  // namespace

std::shared_ptr<const FormulaActivation> make_formula_activation(std::string_view text) {
  FormulaActivation result{Formula(text), {}};
  std::vector<double> z, a(2 * samples_to_a_side + 1), slopes(a.size());
  for (int i = -samples_to_a_side; i <= samples_to_a_side; ++i) z.push_back(i * farthest / samples_to_a_side);
  const std::size_t size = z.size();
  result.formula.evaluate<double>({z.data(), 1, size}, {a.data(), 1, size}, {slopes.data(), 1, size});

  ActivationInfo& info = result.info;
  info.name = "formula";
  info.formula = result.formula.text();
  info.derivative = "computed with f, rule by rule";
  info.max_slope = 0;
  for (const double slope : slopes) {
    if (std::isfinite(slope)) info.max_slope = std::max(info.max_slope, std::abs(slope));
    info.monotone &= slope >= 0;
  }
  if (std::none_of(slopes.begin(), slopes.end(), [](double slope) { return std::isfinite(slope); })) {
    throw UserError("formula " + in_quotes(info.formula) +
                    ": expected a function with finite values and slopes, found none for |x| <= " +
                    format_exact(farthest));
  }
  info.trainable = info.max_slope > 0;
  std::erase_if(a, [](double value) { return !std::isfinite(value); });
  if (a.size() == size) {
    const auto [low, high] = std::minmax_element(a.begin(), a.end());
    info.range = interval_text(*low, *high);
    info.bounded = levels_off(a);
    info.zero_centred = is_odd(a);
  } else {
    info.range = "not finite everywhere for |x| <= 100";
  }
  info.default_initializer = info.bounded ? "glorot_uniform" : "he_uniform";
  info.note = "A formula; lockstep activations check says what it does to training.";
  return std::make_shared<const FormulaActivation>(std::move(result));
}

}  // namespace lockstep
