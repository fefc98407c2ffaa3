#pragma once

#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include "activation_kernels.hpp"
#include "lockstep/core/elementary.hpp"

/// The elementary functions of formulas, each with its derivative. They hold to the rules of
/// activation_functions.hpp.
namespace lockstep::formula_functions {

template <class T>
struct Exp {
  ValueAndSlope<T> operator()(T x) const {
    const T e = elementary::exp(x);
    return {e, e};
  }
};

template <class T>
struct Expm1 {
  ValueAndSlope<T> operator()(T x) const { return {elementary::expm1(x), elementary::exp(x)}; }
};

template <class T>
struct Log {
  ValueAndSlope<T> operator()(T x) const { return {elementary::log(x), T(1) / x}; }
};

template <class T>
struct Log1p {
  ValueAndSlope<T> operator()(T x) const { return {elementary::log1p(x), T(1) / (T(1) + x)}; }
};

template <class T>
struct Sqrt {
  ValueAndSlope<T> operator()(T x) const {
    const T root = std::sqrt(x);
    return {root, T(0.5) / root};
  }
};

template <class T>
struct Sin {
  ValueAndSlope<T> operator()(T x) const { return {elementary::sin(x), elementary::cos(x)}; }
};

template <class T>
struct Cos {
  ValueAndSlope<T> operator()(T x) const { return {elementary::cos(x), -elementary::sin(x)}; }
};

template <class T>
struct Tan {
  ValueAndSlope<T> operator()(T x) const {
    const T cosine = elementary::cos(x);
    return {elementary::sin(x) / cosine, T(1) / (cosine * cosine)};
  }
};

// x / (1 + √(1 + x²)) is the tangent of half the angle. Halved twice, Taylor's
// series is short. In double for both precisions.
template <class T>
struct Atan {
  ValueAndSlope<T> operator()(T x) const {
    constexpr double coefficients[] = {-1.0 / 23, 1.0 / 21, -1.0 / 19, 1.0 / 17, -1.0 / 15, 1.0 / 13,
                                       -1.0 / 11, 1.0 / 9,  -1.0 / 7,  1.0 / 5,  -1.0 / 3};
    const double exact = static_cast<double>(x), magnitude = std::fabs(exact);
    const double small = magnitude > 1 ? 1 / magnitude : magnitude;  // in [0, 1]
    const double half = small / (1 + std::sqrt(1 + small * small));
    const double quarter = half / (1 + std::sqrt(1 + half * half));
    const double square = quarter * quarter;
    const double angle =
        4 * (quarter + quarter * (square * elementary::kernels::polynomial(square, coefficients)));
    constexpr double half_pi = 1.57079632679489661923;
    const double value = magnitude > 1 ? half_pi - angle : angle;
    return {static_cast<T>(std::copysign(value, exact)), static_cast<T>(1 / (1 + exact * exact))};
  }
};

// sinh and cosh by way of e^|x| − 1, for sinh to keep its digits near 0.
template <class T>
struct Sinh {
  ValueAndSlope<T> operator()(T x) const {
    const T m = elementary::expm1(std::abs(x));
    const T inverse = T(1) / (m + T(1));
    // At infinity the quotient m / (m + 1) would be NaN.
    const T sinh = T(0.5) * (m + (m < T(1) ? m * inverse : T(1) - inverse));
    return {std::copysign(sinh, x), T(0.5) * ((m + T(1)) + inverse)};
  }
};

template <class T>
struct Cosh {
  ValueAndSlope<T> operator()(T x) const {
    const ValueAndSlope<T> sinh = Sinh<T>{}(x);
    return {sinh.slope, sinh.value};
  }
};

template <class T>
struct Erf {
  ValueAndSlope<T> operator()(T x) const {
    constexpr T two_over_sqrt_pi = T(1.12837916709551257390);
    return {elementary::erf(x), two_over_sqrt_pi * elementary::exp(-x * x)};
  }
};

template <class T>
struct NormalCdf {
  ValueAndSlope<T> operator()(T x) const { return elementary::normal_cdf(x); }
};

/// x to a fixed power that is no small integer: e^(exponent · log x), for x ≥ 0, in double for both
/// precisions.
template <class T>
struct Power {
  T exponent;
  ValueAndSlope<T> operator()(T x) const {
    const double power = static_cast<double>(exponent), log = elementary::log(static_cast<double>(x));
    return {static_cast<T>(elementary::exp(power * log)),
            static_cast<T>(power * elementary::exp((power - 1) * log))};
  }
};

/// A function of one number as formulas call it.
struct Entry {
  std::string name;
  std::vector<std::string> aliases;
  Kernels<float> in_float;
  Kernels<double> in_double;
};

template <template <class> class Function>
Entry entry(std::string name, std::vector<std::string> aliases = {}) {
  return {std::move(name), std::move(aliases), kernels_of<Function, float>(), kernels_of<Function, double>()};
}

}  // namespace lockstep::formula_functions
