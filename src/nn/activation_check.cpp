#include "lockstep/nn/activation_check.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <optional>

#include "lockstep/core/text.hpp"
#include "lockstep/core/value_and_slope.hpp"

namespace lockstep {
namespace {

constexpr double farthest = 100;
constexpr int cells_to_a_unit = 128;
constexpr int cells = 2 * static_cast<int>(farthest) * cells_to_a_unit;
constexpr std::size_t most_listed = 20;  // jumps and kinks each

/// -100, -100 + 1/128 … 100.
template <class T>
std::vector<T> grid() {
  std::vector<T> x;
  for (int i = 0; i <= cells; ++i) x.push_back(static_cast<T>(i - cells / 2) / cells_to_a_unit);
  return x;
}

/// The function at some places.
template <class T>
struct Samples {
  Samples(const Activation& f, std::vector<T> places)
      : x(std::move(places)), values(x.size()), slopes(x.size(), T(1)) {
    const MatrixView<const T> z(x.data(), 1, x.size());
    f.forward(z, MatrixView<T>(values.data(), 1, x.size()));
    f.backward(z, MatrixView<T>(slopes.data(), 1, x.size()));
  }
  bool finite(std::size_t i) const { return std::isfinite(values[i]) && std::isfinite(slopes[i]); }

  std::vector<T> x, values, slopes;
};

template <class T>
bool finite_at(const Activation& f, double x) {
  return Samples<T>(f, {static_cast<T>(x)}).finite(0);
}

/// The last x that is not finite, from `outside` towards `inside`, which is finite.
template <class T>
double edge(const Activation& f, double outside, double inside) {
  for (int i = 0; i < 60; ++i) {
    const double middle = outside + (inside - outside) / 2;
    (finite_at<T>(f, middle) ? inside : outside) = middle;
  }
  return outside;
}

/// Where value or slope is not finite, ascending.
template <class T>
std::vector<Interval> non_finite(const Activation& f, const Samples<T>& s) {
  std::vector<Interval> found;
  for (std::size_t i = 0; i < s.x.size(); ++i) {
    if (s.finite(i)) continue;
    const std::size_t first = i;
    while (i + 1 < s.x.size() && !s.finite(i + 1)) ++i;
    found.push_back({first == 0 ? s.x[0] : edge<T>(f, s.x[first], s.x[first - 1]),
                     i + 1 == s.x.size() ? s.x[i] : edge<T>(f, s.x[i], s.x[i + 1])});
  }
  return found;
}

ValueAndSlope<double> at(const Activation& f, double x) {
  return {f.value(x), f.derivative(x)};
}

/// The cell (low, high) closed in to a few units in the last place around the largest change of what `of`
/// picks.
template <class Pick>
std::pair<double, double> close_in(const Activation& f, double low, double high, const Pick& of) {
  double at_low = of(at(f, low)), at_high = of(at(f, high));
  for (int i = 0; i < 60; ++i) {
    const double middle = low + (high - low) / 2;
    if (middle <= low || middle >= high) break;
    const double at_middle = of(at(f, middle));
    if (std::abs(at_middle - at_low) >= std::abs(at_high - at_middle)) {
      high = middle;
      at_high = at_middle;
    } else {
      low = middle;
      at_low = at_middle;
    }
  }
  return {low, high};
}

/// The x in an interval where of(x) is largest, by ternary search.
template <class Of>
double place_of_largest(double low, double high, const Of& of) {
  for (int i = 0; i < 80; ++i) {
    const double third = (high - low) / 3;
    if (of(low + third) < of(high - third)) {
      low += third;
    } else {
      high -= third;
    }
  }
  return low + (high - low) / 2;
}

/// The largest `of(x)` in the cells around a sample that is the largest there. Where the search does not find
/// a larger one (at kinks and jumps), the sample.
template <class Of>
Extremum refined(Extremum sample, const Of& of) {
  const double h = 1.0 / cells_to_a_unit;
  const double x = place_of_largest(std::max(sample.x - h, -farthest), std::min(sample.x + h, farthest), of);
  const double value = of(x);
  return std::isfinite(value) && value > sample.value ? Extremum{value, x} : sample;
}

enum class Break { none, kink, jump, pole };

/// What separates f and f' at the ends of a cell that has been closed in.
Break break_between(const Activation& f, std::pair<double, double> ends) {
  const ValueAndSlope<double> left = at(f, ends.first), right = at(f, ends.second);
  const auto differ = [](double a, double b, double relative) {
    return std::abs(b - a) > relative * std::max({1e-3, std::abs(a), std::abs(b)});
  };
  if (differ(left.value, right.value, 1e-6)) return Break::jump;
  return differ(left.slope, right.slope, 1e-5) ? Break::kink : Break::none;
}

/// The place in the cell from sample i to the next where |f| is beyond all that the cell's ends let expect.
std::optional<double> pole_in_cell(const Activation& f, const Samples<double>& s, std::size_t i) {
  const auto size = [&](double x) { return std::abs(f.value(x)); };
  const double x = place_of_largest(s.x[i], s.x[i + 1], size);
  double expected = 1;
  for (const std::size_t end : {i, i + 1})
    expected = std::max({expected, std::abs(s.values[end]), std::abs(s.slopes[end])});
  return size(x) < 1e6 * expected ? std::nullopt : std::optional(x);  // NaN is one, too
}

/// The break in the cell from sample i to the next, and where it is. Only cells that stand out are looked at:
/// where f changes by more than slopes explain, or f' by more than in the cells around.
std::pair<Break, double> break_in_cell(const Activation& f, const Samples<double>& s, std::size_t i) {
  const auto slope_change = [&](std::size_t cell) { return std::abs(s.slopes[cell + 1] - s.slopes[cell]); };
  const double h = s.x[i + 1] - s.x[i];
  const double unexplained = s.values[i + 1] - s.values[i] - h * (s.slopes[i] + s.slopes[i + 1]) / 2;
  const double size = std::max({1e-3, std::abs(s.values[i]), std::abs(s.values[i + 1])});
  const bool value_stands_out = std::abs(unexplained) > h * slope_change(i) + 1e-7 * size;
  const double before = i > 0 ? slope_change(i - 1) : 0;
  const double behind = i + 2 < s.x.size() ? slope_change(i + 1) : 0;
  const bool slope_stands_out = slope_change(i) > 3 * std::min(before, behind) + 1e-6;
  if (value_stands_out || slope_stands_out) {
    if (const auto pole = pole_in_cell(f, s, i)) return {Break::pole, *pole};
  }
  if (value_stands_out) {
    const auto ends = close_in(f, s.x[i], s.x[i + 1], [](const auto& result) { return result.value; });
    const Break found = break_between(f, ends);
    if (found != Break::none) return {found, ends.first};
  }
  if (slope_stands_out) {
    const auto ends = close_in(f, s.x[i], s.x[i + 1], [](const auto& result) { return result.slope; });
    return {break_between(f, ends), ends.first};
  }
  return {Break::none, 0};
}

void find_breaks(const Activation& f, const Samples<double>& s, ActivationReport& report) {
  for (std::size_t i = 0; i + 1 < s.x.size(); ++i) {
    if (!s.finite(i) || !s.finite(i + 1)) continue;
    const auto [kind, x] = break_in_cell(f, s, i);
    if (kind == Break::pole) {
      report.non_finite.push_back({x, x});
      report.non_finite32.push_back({x, x});
    }
    if (kind == Break::jump && report.jumps.size() < most_listed) report.jumps.push_back(x);
    if (kind == Break::kink && report.kinks.size() < most_listed) report.kinks.push_back(x);
  }
  std::ranges::sort(report.non_finite, {}, &Interval::low);
  std::ranges::sort(report.non_finite32, {}, &Interval::low);
}

void find_extrema(const Activation& f, const Samples<double>& s, ActivationReport& report) {
  bool first = true;
  for (std::size_t i = 0; i < s.x.size(); ++i) {
    if (!s.finite(i)) continue;
    const double slope = std::abs(s.slopes[i]);
    if (first || s.values[i] < report.lowest.value) report.lowest = {s.values[i], s.x[i]};
    if (first || s.values[i] > report.highest.value) report.highest = {s.values[i], s.x[i]};
    if (first || slope > report.steepest.value) report.steepest = {slope, s.x[i]};
    first = false;
  }
  const Extremum depth =
      refined({-report.lowest.value, report.lowest.x}, [&](double x) { return -f.value(x); });
  report.lowest = {-depth.value, depth.x};
  report.highest = refined(report.highest, [&](double x) { return f.value(x); });
  report.steepest = refined(report.steepest, [&](double x) { return std::abs(f.derivative(x)); });
}

/// Beside a pole f is beyond all samples.
void find_bounds_at_poles(const Activation& f, ActivationReport& report) {
  constexpr double beside = 1e-9, huge = 1e6, infinity = std::numeric_limits<double>::infinity();
  for (const auto& [low, high] : report.non_finite) {
    for (const auto& [edge, x] : {std::pair(low, low - beside), std::pair(high, high + beside)}) {
      const double value = f.value(x);
      if (value < -huge) report.lowest = {-infinity, edge};
      if (value > huge) report.highest = {infinity, edge};
      if (std::abs(value) > huge) report.steepest = {infinity, edge};
    }
  }
}

void find_trends(const Samples<double>& s, ActivationReport& report) {
  report.increasing = report.decreasing = report.linear = true;
  std::optional<std::size_t> first, last;  // of those that are finite
  for (std::size_t i = 0; i < s.x.size(); ++i) {
    if (!s.finite(i)) continue;
    if (!first) first = last = i;
    const double rounding = 1e-12 * std::max(1.0, std::abs(s.values[i]));
    report.increasing &= s.slopes[i] >= 0 && s.values[i] >= s.values[*last] - rounding;
    report.decreasing &= s.slopes[i] <= 0 && s.values[i] <= s.values[*last] + rounding;
    const double slope = s.slopes[*first];
    report.linear &= std::abs(s.slopes[i] - slope) <= 1e-12 * std::max(1.0, std::abs(slope));
    last = i;
  }
  report.linear &= report.jumps.empty();
  report.constant_slope_zero = report.steepest.value == 0;
}

/// Means over the standard normal distribution, by the sum over the grid: from -8 to 8 that holds it.
void find_normal_means(const Samples<double>& s, ActivationReport& report) {
  double weights = 0, mean = 0, square = 0, slope_square = 0;
  for (std::size_t i = 0; i < s.x.size(); ++i) {
    if (std::abs(s.x[i]) > 8 || !s.finite(i)) continue;
    const double weight = std::exp(-s.x[i] * s.x[i] / 2);
    weights += weight;
    mean += weight * s.values[i];
    square += weight * s.values[i] * s.values[i];
    slope_square += weight * s.slopes[i] * s.slopes[i];
  }
  report.normal_mean = mean / weights;
  report.normal_rms = std::sqrt(square / weights);
  report.normal_slope_rms = std::sqrt(slope_square / weights);
}

std::string short_number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", std::abs(value) < 1e-9 ? 0.0 : value);
  return text;
}

/// The first four of some texts.
std::string first_of(std::vector<std::string> texts) {
  const std::size_t shown = std::min<std::size_t>(texts.size(), 4), more = texts.size() - shown;
  texts.resize(shown);
  return join(texts) + (more > 0 ? " and " + std::to_string(more) + " more" : "");
}

std::string places(const std::vector<double>& all) {
  std::vector<std::string> texts;
  for (const double x : all) texts.push_back(short_number(x));
  return first_of(std::move(texts));
}

std::string interval_text(const Interval& interval) {
  const auto [low, high] = interval;
  const std::string left = short_number(low), right = short_number(high);
  if (low == -farthest && high == farthest) return "all x";
  if (left == right) return "x = " + left;
  if (low == -farthest) return "x <= " + right;
  if (high == farthest) return "x >= " + left;
  return left + " <= x <= " + right;
}

void warn_of_non_finite(ActivationReport& report) {
  const std::string ends = ", and a run ends at the first such value";
  if (!report.finite()) {
    report.warnings.push_back("non-finite: f or f' is not a finite number for " +
                              intervals_text(report.non_finite) + ends);
  } else if (!report.non_finite32.empty()) {
    report.warnings.push_back("non-finite in float32: f or f' is not a finite number for " +
                              intervals_text(report.non_finite32) + ends +
                              "; --precision float64 reaches farther");
  }
}

void warn_of_values(const Samples<double>& s, ActivationReport& report) {
  const auto warn = [&](const std::string& text) { report.warnings.push_back(text); };
  if (report.constant_slope_zero) warn("no gradient: f' is 0 everywhere, so no layer before it is trained");
  if (report.linear && !report.constant_slope_zero) {
    warn("linear: the network stays a linear function of its input, however deep");
  }
  if (!report.jumps.empty()) {
    warn("not continuous: f jumps at x = " + places(report.jumps) + ", which gradients know nothing of");
  }
  const double growth =
      std::max(std::abs(s.values.front()), std::abs(s.values.back())) /
      std::max(1.0, std::max(std::abs(s.values[cells / 4]), std::abs(s.values[cells - cells / 4])));
  if (growth > 3) {  // from 50 to 100; 2 would be a line
    warn("explosion: f grows faster than a line, so large values become larger from layer to layer");
  }
}

void warn_of_slopes(const Samples<double>& s, ActivationReport& report) {
  const auto warn = [&](const std::string& text) { report.warnings.push_back(text); };
  if (report.constant_slope_zero || report.linear) return;
  const double steepest = report.steepest.value, rms = report.normal_slope_rms;
  if (steepest > 2) {
    warn("exploding gradients: the slope reaches " + short_number(steepest) +
         " at x = " + short_number(report.steepest.x) + "; use a small learning rate or --clip-norm");
  }
  if (rms < 0.5) {
    warn("vanishing gradients: for inputs of variance 1 the slope is " + short_number(rms) +
         " in the root mean square; ten layers leave " + short_number(std::pow(rms, 10)) + " of a gradient");
  }
  const double little = 1e-3 * std::min(steepest, 1.0);
  if (report.flat_left <= little && report.flat_right <= little) {
    warn("saturation: f' vanishes on both sides, so units with large inputs hardly learn");
  }
  std::size_t zeros_left = 0, zeros_right = 0;
  while (zeros_left < s.slopes.size() && s.slopes[zeros_left] == 0) ++zeros_left;
  while (zeros_right < s.slopes.size() && s.slopes[s.slopes.size() - 1 - zeros_right] == 0) ++zeros_right;
  // Slopes that only round to 0 far out are those of saturation.
  if (zeros_left > 0 && s.x[zeros_left - 1] > -20) {
    warn("dead units: f' is 0 for x <= " + short_number(s.x[zeros_left - 1]));
  }
  if (zeros_right > 0 && s.x[s.x.size() - zeros_right] < 20) {
    warn("dead units: f' is 0 for x >= " + short_number(s.x[s.x.size() - zeros_right]));
  }
  if (std::abs(report.normal_mean) > 0.9 * report.normal_rms) {
    warn("shift: for inputs of mean 0 the output has mean " + short_number(report.normal_mean) +
         " and hardly varies around it");
  }
}

}  // namespace

bool ActivationReport::nowhere_finite() const {
  return !finite() && non_finite.front().low == -farthest && non_finite.front().high == farthest;
}

std::string intervals_text(std::vector<Interval> intervals) {
  const auto distance = [](const Interval& i) {
    return i.low <= 0 && i.high >= 0 ? 0 : std::min(std::abs(i.low), std::abs(i.high));
  };
  std::ranges::stable_sort(intervals, {}, distance);
  std::vector<std::string> texts;
  for (const Interval& interval : intervals) texts.push_back(interval_text(interval));
  return first_of(std::move(texts));
}

ActivationReport check_activation(const Activation& activation) {
  const Samples<double> samples(activation, grid<double>());
  ActivationReport report;
  report.non_finite = non_finite(activation, samples);
  report.non_finite32 = non_finite(activation, Samples<float>(activation, grid<float>()));
  if (report.nowhere_finite()) {
    warn_of_non_finite(report);
    return report;
  }
  find_breaks(activation, samples, report);
  find_extrema(activation, samples, report);
  find_bounds_at_poles(activation, report);
  find_trends(samples, report);
  find_normal_means(samples, report);
  report.flat_left = std::abs(activation.derivative(-20));
  report.flat_right = std::abs(activation.derivative(20));
  warn_of_non_finite(report);
  warn_of_values(samples, report);
  warn_of_slopes(samples, report);
  return report;
}

}  // namespace lockstep
