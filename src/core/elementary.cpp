#include "lockstep/core/elementary.hpp"

#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>

namespace lockstep::elementary {
namespace {

/// sin(r) and cos(r) for |r| ≤ π/4: Taylor series.
double sin_reduced(double r) {
  const double z = r * r;
  constexpr double coefficients[] = {
      1.0 / 355687428096000, -1.0 / 1307674368000, 1.0 / 6227020800, -1.0 / 39916800,
      1.0 / 362880,          -1.0 / 5040,          1.0 / 120,        -1.0 / 6};
  return r + r * z * kernels::polynomial(z, coefficients);
}

double cos_reduced(double r) {
  const double z = r * r;
  constexpr double coefficients[] = {
      -1.0 / 6402373705728000, 1.0 / 20922789888000, -1.0 / 87178291200, 1.0 / 479001600,
      -1.0 / 3628800,          1.0 / 40320,          -1.0 / 720,         1.0 / 24};
  return 1 - (z / 2 - z * z * kernels::polynomial(z, coefficients));
}

/// sin(x + quarter_turns · π/2)
double sin_shifted(double x, std::uint64_t quarter_turns) {
  if (!(std::fabs(x) < kernels::infinity)) return std::numeric_limits<double>::quiet_NaN();
  // Far out, the nearest double to 2π takes the place of 2π: defined, and as good as such an argument
  // deserves. std::fmod is exact.
  if (std::fabs(x) > 0x1p20) x = std::fmod(x, 2 * std::numbers::pi);
  // π/2 in three parts; n times the first two is exact for |n| < 2²⁰.
  const double shifted = x * (2 / std::numbers::pi) + kernels::round_shift;
  const double n = shifted - kernels::round_shift;
  const double r = ((x - n * 0x1.921fb54400000p+0) - n * 0x1.0b4611a600000p-34) - n * 0x1.3198a2e037073p-69;
  const std::uint64_t quadrant = (std::bit_cast<std::uint64_t>(shifted) + quarter_turns) & 3;
  const double value = quadrant % 2 == 0 ? sin_reduced(r) : cos_reduced(r);
  return quadrant >= 2 ? -value : value;
}

}  // namespace

double kernels::sin(double x) {
  return x == 0 ? x : sin_shifted(x, 0);
}

double kernels::cos(double x) {
  return sin_shifted(x, 1);
}

double pow(double x, double y) {
  if (y == 0 || x == 1) return 1;
  if (x == 0) return y > 0 ? 0 : kernels::infinity;
  return exp(y * log(x));
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
