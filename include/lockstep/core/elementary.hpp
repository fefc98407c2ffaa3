#pragma once

#include "lockstep/core/elementary_double.hpp"
#include "lockstep/core/elementary_float.hpp"

/// Elementary functions with defined bits: built from IEEE 754 operations in a fixed order, so that they give
/// the same bits on every machine and with every C library. Special values as in C's <cmath>: NaN in, NaN
/// out; exp(−inf) = 0 and so on; denormal results are IEEE's. T: float or double, each in its own arithmetic.
///
/// Accuracy in units in the last place: at most 3 for double (sin and cos for |x| ≤ 2²⁰). For float, measured
/// over the floats: exp 0.96, expm1 1.33, log 0.85, log1p 1.43, tanh 1.37, erf 1.31, sin and cos 0.51,
/// logistic 2.9, slopes of logistic and tanh 5; normal_cdf and its slope lie within 2.7 · 10⁻⁷ and 4.3 ·
/// 10⁻⁸, and within 5 + x²/2 units.
///
/// All but sin and cos stand in headers, so that a compiler can turn loops over them into vector code.
/// Compile with -ffp-contract=off, which linking to lockstep::core sees to.
namespace lockstep::elementary {

/// eˣ
template <class T>
T exp(T x) {
  return kernels::exp(x);
}
/// eˣ − 1, accurate near 0
template <class T>
T expm1(T x) {
  return kernels::expm1(x);
}
/// Natural logarithm; −inf at 0, NaN below
template <class T>
T log(T x) {
  return kernels::log(x);
}
/// log(1 + x), accurate near 0
template <class T>
T log1p(T x) {
  return kernels::log1p(x);
}
template <class T>
T tanh(T x) {
  return kernels::tanh(x);
}
template <class T>
T erf(T x) {
  return kernels::erf(x);
}
template <class T>
T sin(T x) {
  return static_cast<T>(kernels::sin(static_cast<double>(x)));
}
template <class T>
T cos(T x) {
  return static_cast<T>(kernels::cos(static_cast<double>(x)));
}

/// The logistic function 1 / (1 + e⁻ˣ). Of this and the next two the slope, too, is accurate in relation to
/// its own size, however small.
template <class T>
ValueAndSlope<T> logistic(T x) {
  return kernels::logistic(x);
}
template <class T>
ValueAndSlope<T> tanh_and_slope(T x) {
  return kernels::tanh_and_slope(x);
}
/// Φ(x), the cumulative distribution function of the standard normal distribution; its slope is the density.
template <class T>
ValueAndSlope<T> normal_cdf(T x) {
  return kernels::normal_cdf(x);
}

/// xʸ for x ≥ 0: exp(y · log x); 1 for y = 0 or x = 1.
double pow(double x, double y);
/// xⁿ by repeated squaring.
double power(double x, unsigned long long n);

}  // namespace lockstep::elementary
