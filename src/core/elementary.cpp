#include "lockstep/core/elementary.hpp"

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>

/// Everything is computed in double by IEEE 754 operations written out one by one; a float result is the
/// double one rounded once. std::floor, std::fabs, std::copysign, std::fmod and std::sqrt are exact or
/// correctly rounded.
namespace lockstep::elementary {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

/// ln 2 in two parts; the first has 21 trailing zero bits, so small integers times it are exact.
constexpr double ln2_high = 0x1.62e42fee00000p-1;
constexpr double ln2_low = 0x1.a39ef35793c76p-33;

/// Horner's rule, highest power first.
template <std::size_t N>
double polynomial(double x, const double (&coefficients)[N]) {
  double sum = coefficients[0];
  for (std::size_t i = 1; i < N; ++i) sum = sum * x + coefficients[i];
  return sum;
}

/// 2ⁿ for a normal result.
double power_of_two(std::int64_t n) {
  return std::bit_cast<double>(static_cast<std::uint64_t>(n + 1023) << 52);
}

/// (eʳ − 1 − r) / r² for |r| ≤ 0.35: its Taylor series.
double expm1_tail(double r) {
  constexpr double coefficients[] = {
      1.0 / 1307674368000, 1.0 / 87178291200, 1.0 / 6227020800, 1.0 / 479001600, 1.0 / 39916800,
      1.0 / 3628800,       1.0 / 362880,      1.0 / 40320,      1.0 / 5040,      1.0 / 720,
      1.0 / 120,           1.0 / 24,          1.0 / 6,          1.0 / 2};
  return polynomial(r, coefficients);
}

double exp_double(double x) {
  if (std::isnan(x)) return x;
  if (x > 709.8) return infinity;
  if (x < -746) return 0;
  // eˣ = 2ⁿ · eʳ, |r| ≤ ½ ln 2
  const double n = std::floor(x * std::numbers::log2e + 0.5);
  const double r = (x - n * ln2_high) - n * ln2_low;
  const double mantissa = 1 + (r + r * r * expm1_tail(r));
  // In two factors, for results beyond the normal range.
  const auto exponent = static_cast<std::int64_t>(n);
  const std::int64_t half = exponent / 2;
  return mantissa * power_of_two(half) * power_of_two(exponent - half);
}

double expm1_double(double x) {
  if (x == 0) return x;  // keeps the sign
  if (std::fabs(x) < 0.35) return x + x * x * expm1_tail(x);
  return exp_double(x) - 1;
}

double log_double(double x) {
  if (std::isnan(x)) return x;
  if (x < 0) return std::numeric_limits<double>::quiet_NaN();
  if (x == 0) return -infinity;
  if (x == infinity) return x;
  // x = 2ⁿ · (1 + f), 1 + f in [√½, √2)
  double n = 0;
  if (x < std::numeric_limits<double>::min()) {
    x *= 0x1p54;
    n = -54;
  }
  const std::uint64_t bits = std::bit_cast<std::uint64_t>(x);
  double mantissa = std::bit_cast<double>((bits & 0x000fffffffffffffU) | 0x3ff0000000000000U);
  n += static_cast<double>(static_cast<std::int64_t>(bits >> 52) - 1023);
  if (mantissa > std::numbers::sqrt2) {
    mantissa /= 2;
    n += 1;
  }
  // log(1 + f) = 2 artanh(s), s = f / (2 + f), written so that the leading f is exact.
  const double f = mantissa - 1;
  const double s = f / (2 + f);
  const double z = s * s;
  constexpr double coefficients[] = {2.0 / 25, 2.0 / 23, 2.0 / 21, 2.0 / 19, 2.0 / 17, 2.0 / 15,
                                     2.0 / 13, 2.0 / 11, 2.0 / 9,  2.0 / 7,  2.0 / 5,  2.0 / 3};
  const double tail = z * polynomial(z, coefficients);
  const double half_square = f * f / 2;
  return n * ln2_high - ((half_square - (s * (half_square + tail) + n * ln2_low)) - f);
}

double log1p_double(double x) {
  const double u = 1 + x;
  if (u == 1 || x == infinity) return x;
  if (!(u > 0)) return log_double(u);
  // What rounding 1 + x lost, relative to u.
  const double lost = x < 1 ? x - (u - 1) : 1 - (u - x);
  return log_double(u) + lost / u;
}

double tanh_double(double x) {
  const double magnitude = std::fabs(x);
  if (!(magnitude < 22)) return std::isnan(x) ? x : std::copysign(1.0, x);
  const double e = expm1_double(2 * magnitude);
  return std::copysign(e / (e + 2), x);
}

/// erf(x) / x as a polynomial in x² for |x| ≤ 1, and e^(x²) erfc(x) as one in (x − 2) / (x + 2) for 1 ≤ x ≤
/// 6: Chebyshev fits computed with 60 digits; errors below 3·10⁻¹⁹.
double erf_double(double x) {
  if (std::isnan(x)) return x;
  const double magnitude = std::fabs(x);
  if (magnitude <= 1) {
    constexpr double coefficients[] = {0x1.05ffd737fb32ep-34,  -0x1.389d4f2641625p-30, 0x1.f7b4bf3b13964p-27,
                                       -0x1.5f1ecb6f0764cp-23, 0x1.b9df224ca4b97p-20,  -0x1.f4d1e3183f7aep-17,
                                       0x1.f9a321d5b8e1ep-14,  -0x1.c02db3dac435fp-11, 0x1.565bcd0dbaa38p-8,
                                       -0x1.b82ce31284e00p-6,  0x1.ce2f21a042b30p-4,   -0x1.812746b0379e6p-2,
                                       0x1.20dd750429b6dp+0};
    return x * polynomial(x * x, coefficients);
  }
  if (magnitude >= 6) return std::copysign(1.0, x);
  constexpr double coefficients[] = {-0x1.c49d5026d94f3p-22, -0x1.1dc296ab25c2bp-21, 0x1.3c3cdeef1f68fp-20,
                                     0x1.fc947548a0e7cp-19,  0x1.75d432f39d289p-20,  -0x1.d4b0d3d3aaf27p-17,
                                     -0x1.ceb69de6e21dbp-16, 0x1.cdcd09b79ebebp-16,  0x1.6da9701b2c57cp-13,
                                     0x1.6d5ef188bff89p-15,  -0x1.016b5cdbae621p-10, -0x1.bc25a4763b3cap-11,
                                     0x1.ca95ed532b26cp-8,   0x1.e947159797158p-9,   -0x1.437f0b68c0bdcp-4,
                                     0x1.eeea7dc8a78b7p-3,   -0x1.b57034efd3f72p-2,  0x1.058671b52c776p-2};
  const double scaled = polynomial((magnitude - 2) / (magnitude + 2), coefficients);
  return std::copysign(1 - exp_double(-magnitude * magnitude) * scaled, x);
}

/// sin(r) and cos(r) for |r| ≤ π/4: Taylor series.
double sin_reduced(double r) {
  const double z = r * r;
  constexpr double coefficients[] = {
      1.0 / 355687428096000, -1.0 / 1307674368000, 1.0 / 6227020800, -1.0 / 39916800,
      1.0 / 362880,          -1.0 / 5040,          1.0 / 120,        -1.0 / 6};
  return r + r * z * polynomial(z, coefficients);
}

double cos_reduced(double r) {
  const double z = r * r;
  constexpr double coefficients[] = {
      -1.0 / 6402373705728000, 1.0 / 20922789888000, -1.0 / 87178291200, 1.0 / 479001600,
      -1.0 / 3628800,          1.0 / 40320,          -1.0 / 720,         1.0 / 24};
  return 1 - (z / 2 - z * z * polynomial(z, coefficients));
}

/// sin(x + quarter_turns · π/2)
double sin_shifted(double x, std::int64_t quarter_turns) {
  if (!(std::fabs(x) < infinity)) return std::numeric_limits<double>::quiet_NaN();
  // Far out, the nearest double to 2π takes the place of 2π: defined, and as good as such an argument
  // deserves.
  if (std::fabs(x) > 0x1p20) x = std::fmod(x, 2 * std::numbers::pi);
  // π/2 in three parts; n times the first two is exact for |n| < 2²⁰.
  const double n = std::floor(x * (2 / std::numbers::pi) + 0.5);
  const double r = ((x - n * 0x1.921fb54400000p+0) - n * 0x1.0b4611a600000p-34) - n * 0x1.3198a2e037073p-69;
  const std::int64_t quadrant = (static_cast<std::int64_t>(n) + quarter_turns) & 3;
  const double value = quadrant % 2 == 0 ? sin_reduced(r) : cos_reduced(r);
  return quadrant >= 2 ? -value : value;
}

}  // namespace

template <>
double exp(double x) {
  return exp_double(x);
}
template <>
double expm1(double x) {
  return expm1_double(x);
}
template <>
double log(double x) {
  return log_double(x);
}
template <>
double log1p(double x) {
  return log1p_double(x);
}
template <>
double tanh(double x) {
  return tanh_double(x);
}
template <>
double erf(double x) {
  return erf_double(x);
}
template <>
double sin(double x) {
  return x == 0 ? x : sin_shifted(x, 0);
}
template <>
double cos(double x) {
  return sin_shifted(x, 1);
}

template <>
float exp(float x) {
  return static_cast<float>(exp_double(x));
}
template <>
float expm1(float x) {
  return static_cast<float>(expm1_double(x));
}
template <>
float log(float x) {
  return static_cast<float>(log_double(x));
}
template <>
float log1p(float x) {
  return static_cast<float>(log1p_double(x));
}
template <>
float tanh(float x) {
  return static_cast<float>(tanh_double(x));
}
template <>
float erf(float x) {
  return static_cast<float>(erf_double(x));
}
template <>
float sin(float x) {
  return static_cast<float>(elementary::sin<double>(x));
}
template <>
float cos(float x) {
  return static_cast<float>(elementary::cos<double>(x));
}

double pow(double x, double y) {
  if (y == 0 || x == 1) return 1;
  if (x == 0) return y > 0 ? 0 : infinity;
  return exp_double(y * log_double(x));
}

double power(double x, unsigned long long n) {
  double result = 1;
  for (; n > 0; n /= 2) {
    if (n % 2 == 1) result *= x;
    x *= x;
  }
  return result;
}

}  // namespace lockstep::elementary
