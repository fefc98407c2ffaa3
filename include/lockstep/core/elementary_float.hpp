#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numbers>
#include <utility>

#include "lockstep/core/elementary_coefficients.hpp"
#include "lockstep/core/value_and_slope.hpp"

/// The functions for float, in float arithmetic: twice the numbers of a vector of double. Fused operations
/// take the place of double's further digits.
namespace lockstep::elementary::kernels {

inline constexpr float float_infinity = std::numeric_limits<float>::infinity();
/// ln 2 in two parts
inline constexpr float float_ln2_high = 0x1.62e430p-1F;
inline constexpr float float_ln2_low = -0x1.05c610p-29F;
/// Adding this rounds a number below 2²² to an integer, which then stands in the low bits.
inline constexpr float float_round_shift = 0x1.8p23F;

/// Horner's rule, highest power first, fused. A loop here would keep the loops around from becoming vector
/// code.
template <std::size_t N>
inline float polynomial(float x, const float (&coefficients)[N]) {
  return [&]<std::size_t... I>(std::index_sequence<I...>) {
    float sum = coefficients[0];
    ((sum = std::fma(sum, x, coefficients[I + 1])), ...);
    return sum;
  }
  (std::make_index_sequence<N - 1>{});
}

/// x = n · ln 2 + r, |r| ≤ ½ ln 2; high = x − n · float_ln2_high is exact. The low bits of biased_n are those
/// of n + bias.
struct ReducedFloat {
  float n, high;
  std::uint32_t biased_n;
};
inline ReducedFloat reduce_by_ln2(float x, float bias) {
  const float shift = float_round_shift + bias;
  const float shifted = std::fma(x, std::numbers::log2e_v<float>, shift);
  const float n = shifted - shift;
  return {n, std::fma(n, -float_ln2_high, x), std::bit_cast<std::uint32_t>(shifted)};
}

/// eˣ for x ≤ 89
inline float exp_not_far_above(float x) {
  // Below −105 the result is 0 all the same. With n + 254 in the low bits, the halves of it are the biased
  // exponents of two factors of 2ⁿ, which may lie beyond the normal range; bits above fall out.
  const ReducedFloat reduced = reduce_by_ln2(x < -105 ? -105 : x, 2 * 127);
  const float r = std::fma(reduced.n, -float_ln2_low, reduced.high);
  const float slope = std::fma(polynomial(r, Coefficients<float>::expm1_tail), r, 1.0F);
  const float mantissa = std::fma(slope, r, 1.0F);
  const std::uint32_t half = reduced.biased_n >> 1;
  return mantissa * std::bit_cast<float>(half << 23) * std::bit_cast<float>((reduced.biased_n - half) << 23);
}

inline float exp(float x) {
  return exp_not_far_above(x > 89 ? 89 : x);
}

inline float expm1(float x) {
  const float below_90 = x > 89 ? 89 : x;
  const float bounded_x = below_90 < -18 ? -18 : below_90;  // below, the result is −1
  const ReducedFloat reduced = reduce_by_ln2(bounded_x, 127 - 1);
  const float low = reduced.n * float_ln2_low;
  const float r = reduced.high - low;
  const float beyond_high = std::fma(r * r, polynomial(r, Coefficients<float>::expm1_tail), -low);
  // 2ⁿ eʳ − 1, by way of half of it: 2ⁿ may overflow where the result does not.
  const float scale = std::bit_cast<float>(reduced.biased_n << 23);
  const float value = 2 * std::fma(scale, beyond_high, std::fma(scale, reduced.high, scale - 0.5F));
  return std::fabs(x) < 0x1p-25F ? x : value;
}

/// n · ln 2 + log(1 + f) for 1 + f in [√½, √2]
inline float log1p_reduced(float n, float f) {
  const float tail = std::fma(polynomial(f, Coefficients<float>::log1p_tail), f, -0.5F);
  return std::fma(n, float_ln2_high, f + std::fma(f * f, tail, n * float_ln2_low));
}

/// x = 2ⁿ · mantissa, mantissa in [√½, √2), for normal x; any two numbers for others, without overflow.
struct NormalizedFloat {
  std::int32_t n;
  float mantissa;
};
inline NormalizedFloat normalize(float x) {
  constexpr std::uint32_t bits_of_sqrt_half = 0x3f3504f3;
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const std::int32_t n = static_cast<std::int32_t>(bits - bits_of_sqrt_half) >> 23;
  return {n, std::bit_cast<float>(bits - (static_cast<std::uint32_t>(n) << 23))};
}

inline float log(float x) {
  const bool subnormal = x < std::numeric_limits<float>::min();
  const NormalizedFloat normal = normalize(subnormal ? x * 0x1p23F : x);
  const float n = static_cast<float>(normal.n) - (subnormal ? 23.0F : 0.0F);
  const float value = log1p_reduced(n, normal.mantissa - 1);
  const float outside = x == 0 ? -float_infinity : std::numeric_limits<float>::quiet_NaN();
  return x > 0 ? (x < float_infinity ? value : x) : outside;
}

inline float log1p(float x) {
  const float u = 1 + x;
  const float lost = x < 1 ? x - (u - 1) : 1 - (u - x);  // by rounding
  const NormalizedFloat normal = normalize(u);
  const float scaled_lost = lost * std::bit_cast<float>(static_cast<std::uint32_t>(127 - normal.n) << 23);
  // Beyond 2³⁰ nothing is lost that counts, and 2⁻ⁿ may be too small for a normal number.
  const float f = (normal.mantissa - 1) + (u < 0x1p30F ? scaled_lost : 0);
  const float value = log1p_reduced(static_cast<float>(normal.n), f);
  const float outside = u == 0 ? -float_infinity : (u > 0 ? u : std::numeric_limits<float>::quiet_NaN());
  return u == 1 ? x : (u > 0 && u < float_infinity ? value : outside);
}

/// σ(x) = 1 / (1 + e⁻ˣ), by way of e^(−|x|), and σ(x) (1 − σ(x)), which holds its digits far out.
inline ValueAndSlope<float> logistic(float x) {
  const float e = exp_not_far_above(-std::fabs(x));
  const float larger = 1 / (1 + e);  // σ(|x|)
  const float smaller = e * larger;  // σ(−|x|)
  return {x < 0 ? smaller : larger, smaller * larger};
}

/// 1 − tanh² holds its digits far out: it is 4 σ(2x) σ(−2x).
inline ValueAndSlope<float> tanh_and_slope(float x) {
  const float magnitude = std::fabs(x);
  const ValueAndSlope<float> twice = logistic(-2 * magnitude);
  const float far = std::fma(-2.0F, twice.value, 1.0F);
  const float square = x * x;
  const float near =
      std::fma(polynomial(square, Coefficients<float>::tanh_near) * square, magnitude, magnitude);
  return {std::copysign(magnitude < 0.625F ? near : far, x), 4 * twice.slope};
}

inline float tanh(float x) {
  return tanh_and_slope(x).value;
}

inline float erf(float x) {
  const float magnitude = std::fabs(x) > 4 ? 4 : std::fabs(x);
  const float near = std::fma(polynomial(x * x, Coefficients<float>::erf_near), x, x);
  const float far = 1 - exp_not_far_above(magnitude * polynomial(magnitude, Coefficients<float>::log_erfc));
  return magnitude <= 1 ? near : std::copysign(far, x);
}

/// Φ(x) with its density φ(x). One exponential serves both: Φ(−|x|) = e^(−x²/2) · a function that varies
/// little.
inline ValueAndSlope<float> normal_cdf(float x) {
  constexpr float inverse_sqrt_2_pi = 0.39894228040143267794F;
  const float e = exp_not_far_above(x * x * -0.5F);
  const float t = 1 / std::fma(0.25F, std::fabs(x), 1.0F);
  const float tail = e * (t * polynomial(t, Coefficients<float>::normal_tail));
  return {x > 0 ? 1 - tail : tail, inverse_sqrt_2_pi * e};
}

}  // namespace lockstep::elementary::kernels
