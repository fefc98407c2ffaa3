#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numbers>

#include "lockstep/core/elementary_coefficients.hpp"
#include "lockstep/core/value_and_slope.hpp"

/// The functions for double. Choices are written as `?:` between values that are computed anyway, which
/// vector code can do.
namespace lockstep::elementary::kernels {

inline constexpr double infinity = std::numeric_limits<double>::infinity();
/// ln 2 in two parts; the first has 21 trailing zero bits, so small integers times it are exact.
inline constexpr double ln2_high = 0x1.62e42fee00000p-1;
inline constexpr double ln2_low = 0x1.a39ef35793c76p-33;
/// Adding this rounds a number below 2⁵¹ to an integer, which then stands in the low bits.
inline constexpr double round_shift = 0x1.8p52;

/// Horner's rule, highest power first.
template <std::size_t N>
inline double polynomial(double x, const double (&coefficients)[N]) {
  double sum = coefficients[0];
  for (std::size_t i = 1; i < N; ++i) sum = sum * x + coefficients[i];
  return sum;
}

/// 2 to the power of biased_exponent − 2048, for normal results.
inline double power_of_two(std::uint64_t biased_exponent) {
  return std::bit_cast<double>((biased_exponent - (2048 - 1023)) << 52);
}

/// x = n · ln 2 + remainder, with |remainder| ≤ ½ ln 2 and 2048 + n as an integer.
struct Reduced {
  double remainder;
  std::uint64_t biased_n;
};
inline Reduced reduce_by_ln2(double x) {
  const double shifted = x * std::numbers::log2e + round_shift;
  const double n = shifted - round_shift;
  return {(x - n * ln2_high) - n * ln2_low,
          std::bit_cast<std::uint64_t>(shifted) - std::bit_cast<std::uint64_t>(round_shift) + 2048};
}

/// x no smaller than `low` and no larger than `high`; NaN stays.
inline double bounded(double x, double low, double high) {
  const double below_high = x > high ? high : x;
  return below_high < low ? low : below_high;
}

inline double exp(double x) {
  const Reduced r = reduce_by_ln2(bounded(x, -746, 710));  // beyond, the result is 0 or infinity all the same
  const double tail = polynomial(r.remainder, Coefficients<double>::expm1_tail);
  const double mantissa = 1 + (r.remainder + r.remainder * r.remainder * tail);
  // 2ⁿ in two factors, for results beyond the normal range.
  const std::uint64_t half = (r.biased_n + 2048) / 2;
  return mantissa * power_of_two(half) * power_of_two(r.biased_n + 2048 - half);
}

inline double expm1(double x) {
  const Reduced r = reduce_by_ln2(bounded(x, -50, 710));  // below, the result is −1
  const double tail = polynomial(r.remainder, Coefficients<double>::expm1_tail);
  const double expm1_of_remainder = r.remainder + r.remainder * r.remainder * tail;
  // 2ⁿ (1 + expm1) − 1, by way of half of it: 2ⁿ may overflow where the result does not.
  const double scale = power_of_two(r.biased_n - 1);
  const double value = 2 * (scale * expm1_of_remainder + (scale - 0.5));
  return std::fabs(x) < 0x1p-54 ? x : value;
}

inline double log(double x) {
  const bool subnormal = x < std::numeric_limits<double>::min();
  const std::uint64_t bits = std::bit_cast<std::uint64_t>(x * (subnormal ? 0x1p54 : 1.0));
  // x = 2ⁿ · (1 + f), 1 + f in [√½, √2)
  constexpr std::uint64_t bits_of_sqrt_half = 0x3fe6a09e667f3bcd;
  const std::uint64_t biased_n = (bits - bits_of_sqrt_half + (std::uint64_t{1024} << 52)) >> 52;
  const double mantissa = std::bit_cast<double>(bits - ((biased_n - 1024) << 52));
  const double n = std::bit_cast<double>(biased_n | std::bit_cast<std::uint64_t>(0x1p52)) -
                   (0x1p52 + (subnormal ? 1024 + 54 : 1024));
  // log(1 + f) = 2 artanh(s), s = f / (2 + f), written so that the leading f is exact.
  const double f = mantissa - 1;
  const double s = f / (2 + f);
  const double z = s * s;
  const double tail = z * polynomial(z, Coefficients<double>::log_tail);
  const double half_square = f * f * 0.5;
  const double value = n * ln2_high - ((half_square - (s * (half_square + tail) + n * ln2_low)) - f);
  const double outside = x == 0 ? -infinity : std::numeric_limits<double>::quiet_NaN();
  return x > 0 ? (x < infinity ? value : x) : outside;
}

inline double log1p(double x) {
  const double u = 1 + x;
  // What rounding 1 + x lost, relative to u (Higham, "Accuracy and stability of numerical
  // algorithms", 1.14.1).
  const double lost = x < 1 ? x - (u - 1) : 1 - (u - x);
  const double log_of_u = log(u);
  const double value = log_of_u + lost / u;
  return u == 1 ? x : (u > 0 && u < infinity ? value : log_of_u);
}

inline double tanh(double x) {
  const double e = expm1(-2 * std::fabs(x));
  return std::copysign(e / (e + 2), x);
}

inline double erf(double x) {
  const double magnitude = bounded(std::fabs(x), 0, 6);
  const double near =
      magnitude + magnitude * polynomial(magnitude * magnitude, Coefficients<double>::erf_near);
  const double scaled = polynomial((magnitude - 2) / (magnitude + 2), Coefficients<double>::erf_far);
  const double far = 1 - exp(-magnitude * magnitude) * scaled;
  return std::copysign(magnitude <= 1 ? near : far, x);
}

inline ValueAndSlope<double> normal_cdf(double x) {
  constexpr double inverse_sqrt_2 = 0.70710678118654752440;
  constexpr double inverse_sqrt_2_pi = 0.39894228040143267794;
  return {(1 + erf(x * inverse_sqrt_2)) / 2, inverse_sqrt_2_pi * exp(-x * x / 2)};
}

inline ValueAndSlope<double> logistic(double x) {
  const double e = exp(-std::fabs(x));
  const double larger = 1 / (1 + e);
  const double smaller = e * larger;
  return {x < 0 ? smaller : larger, smaller * larger};
}

inline ValueAndSlope<double> tanh_and_slope(double x) {
  const double t = tanh(x);
  return {t, 4 * logistic(2 * x).slope};
}

double sin(double x);
double cos(double x);

}  // namespace lockstep::elementary::kernels
