#pragma once

#include <cmath>

#include "lockstep/core/elementary.hpp"

/// The activation functions with their derivatives, for T = float and double. Each is a struct with value(x)
/// and derivative(x), and a first member for its parameter if it has one. They hold to four rules:
///  - bits do not depend on the C library: elementary functions come from core/elementary.hpp;
///  - no overflow on the way to a finite result: exponentials are taken of −|x|, and where a vanishing factor
///  meets
///    an infinite one, x is bounded first;
///  - at a kink the derivative follows the left branch;
///  - NaN stays NaN (comparisons are written so that it falls through), or a diverged run would look healthy.
namespace lockstep::activation_functions {

/// x no smaller than `low`, no larger than `high`; NaN stays.
template <class T>
T bounded(T x, T low, T high) {
  return x < low ? low : (x > high ? high : x);
}

/// Far enough out that exponentials have vanished in either precision, near enough that x³ is finite in both.
template <class T>
T before_overflow(T x) {
  return bounded(x, T(-1000), T(1000));
}

template <class T>
struct Identity {
  T value(T x) const { return x; }
  T derivative(T) const { return T(1); }
};

template <class T>
struct Step {
  T value(T x) const { return x > T(0) ? T(1) : (x <= T(0) ? T(0) : x); }
  T derivative(T) const { return T(0); }
};

template <class T>
struct Sigmoid {
  T value(T x) const {
    const T e = elementary::exp(-std::abs(x));
    return (x < T(0) ? e : T(1)) / (T(1) + e);
  }
  T derivative(T x) const {
    const T e = elementary::exp(-std::abs(x));
    return e / ((T(1) + e) * (T(1) + e));
  }
};

template <class T>
struct HardSigmoid {
  T value(T x) const { return bounded(x + T(3), T(0), T(6)) / T(6); }
  T derivative(T x) const { return x > T(-3) && x <= T(3) ? T(1) / T(6) : T(0); }
};

template <class T>
struct Softplus {
  T value(T x) const { return (x < T(0) ? T(0) : x) + elementary::log1p(elementary::exp(-std::abs(x))); }
  T derivative(T x) const { return Sigmoid<T>{}.value(x); }
};

template <class T>
struct LogSigmoid {
  T value(T x) const { return -Softplus<T>{}.value(-x); }
  T derivative(T x) const { return Sigmoid<T>{}.value(-x); }
};

template <class T>
struct Tanh {
  T value(T x) const { return elementary::tanh(x); }
  // 1 − tanh² without cancellation: 1 / cosh².
  T derivative(T x) const { return T(4) * Sigmoid<T>{}.derivative(T(2) * x); }
};

template <class T>
struct HardTanh {
  T value(T x) const { return bounded(x, T(-1), T(1)); }
  T derivative(T x) const { return x > T(-1) && x <= T(1) ? T(1) : T(0); }
};

template <class T>
struct Relu {
  T value(T x) const { return x <= T(0) ? T(0) : x; }
  T derivative(T x) const { return x <= T(0) ? T(0) : T(1); }
};

template <class T>
struct Relu6 {
  T value(T x) const { return bounded(x, T(0), T(6)); }
  T derivative(T x) const { return x > T(0) && x <= T(6) ? T(1) : T(0); }
};

template <class T>
struct LeakyRelu {
  T negative_slope;
  T value(T x) const { return x > T(0) ? x : negative_slope * x; }
  T derivative(T x) const { return x > T(0) ? T(1) : negative_slope; }
};

template <class T>
struct Elu {
  T alpha;
  T value(T x) const { return x > T(0) ? x : alpha * elementary::expm1(x); }
  T derivative(T x) const { return x > T(0) ? T(1) : alpha * elementary::exp(x); }
};

// Klambauer et al., "Self-normalizing neural networks", 2017.
template <class T>
struct Selu {
  static constexpr T scale = T(1.0507009873554804934193349852946);
  static constexpr T alpha = T(1.6732632423543772848170429916717);
  T value(T x) const { return scale * Elu<T>{alpha}.value(x); }
  T derivative(T x) const { return scale * Elu<T>{alpha}.derivative(x); }
};

template <class T>
struct Celu {
  T alpha;
  T value(T x) const { return x > T(0) ? x : alpha * elementary::expm1(x / alpha); }
  T derivative(T x) const { return x > T(0) ? T(1) : elementary::exp(x / alpha); }
};

// Hendrycks & Gimpel, "Gaussian error linear units", 2016: x Φ(x).
template <class T>
struct Gelu {
  static T normal_cdf(T x) {
    constexpr T inverse_sqrt_2 = T(0.70710678118654752440);
    return (T(1) + elementary::erf(x * inverse_sqrt_2)) / T(2);
  }
  T value(T x) const { return x < T(-1000) ? T(0) : x * normal_cdf(x); }
  T derivative(T x) const {
    constexpr T inverse_sqrt_2_pi = T(0.39894228040143267794);
    const T b = before_overflow(x);
    return normal_cdf(b) + b * inverse_sqrt_2_pi * elementary::exp(-b * b / T(2));
  }
};

// x (1 + tanh(u)) / 2 with u = √(2/π) (x + 0.044715 x³), and (1 + tanh(u)) / 2 = sigmoid(2u).
template <class T>
struct GeluTanh {
  static constexpr T sqrt_8_over_pi = T(1.5957691216057307117);
  static constexpr T cubic = T(0.044715);
  T value(T x) const {
    const T b = before_overflow(x);
    const T s = Sigmoid<T>{}.value(sqrt_8_over_pi * (b + cubic * b * b * b));
    return x < T(-1000) ? T(0) : x * s;
  }
  T derivative(T x) const {
    const T b = before_overflow(x);
    const T twice_u = sqrt_8_over_pi * (b + cubic * b * b * b);
    const T twice_u_slope = sqrt_8_over_pi * (T(1) + T(3) * cubic * b * b);
    return Sigmoid<T>{}.value(twice_u) + b * Sigmoid<T>{}.derivative(twice_u) * twice_u_slope;
  }
};

template <class T>
struct Silu {
  T value(T x) const { return x < T(-1000) ? T(0) : x * Sigmoid<T>{}.value(x); }
  T derivative(T x) const {
    const T b = before_overflow(x);
    return Sigmoid<T>{}.value(b) + b * Sigmoid<T>{}.derivative(b);
  }
};

template <class T>
struct HardSwish {
  T value(T x) const { return x <= T(-3) ? T(0) : x * HardSigmoid<T>{}.value(x); }
  T derivative(T x) const { return x <= T(-3) ? T(0) : (x > T(3) ? T(1) : (T(2) * x + T(3)) / T(6)); }
};

// Misra, 2019: x tanh(softplus(x)); with e = exp(−|x|) the tanh is a quotient of polynomials in e.
template <class T>
struct Mish {
  // tanh(softplus(x)) and 1 − tanh² of it.
  struct Gate {
    T gate, slope;
  };
  static Gate gate_of(T x) {
    const T e = elementary::exp(-std::abs(x));
    const T one_plus_e_squared = (T(1) + e) * (T(1) + e);
    const T numerator = x < T(0) ? e * (e + T(2)) : T(1) + T(2) * e;
    const T rest = x < T(0) ? T(2) : T(2) * e * e;
    const T denominator = numerator + rest;
    return {numerator / denominator, T(2) * rest * one_plus_e_squared / (denominator * denominator)};
  }
  T value(T x) const { return x < T(-1000) ? T(0) : x * gate_of(x).gate; }
  T derivative(T x) const {
    const T b = before_overflow(x);
    const Gate g = gate_of(b);
    return g.gate + b * g.slope * Sigmoid<T>{}.value(b);
  }
};

template <class T>
struct Softsign {
  // Beyond 1e30 the quotient is 1 in either precision, and at infinity it would be NaN.
  T value(T x) const {
    const T b = bounded(x, T(-1e30), T(1e30));
    return b / (T(1) + std::abs(b));
  }
  T derivative(T x) const {
    const T reciprocal = T(1) / (T(1) + std::abs(x));
    return reciprocal * reciprocal;
  }
};

template <class T>
struct TanhShrink {
  T value(T x) const { return x - elementary::tanh(x); }
  T derivative(T x) const {
    const T t = elementary::tanh(x);
    return t * t;
  }
};

template <class T>
struct SoftShrink {
  T lambda;
  T value(T x) const { return x - bounded(x, -lambda, lambda); }
  T derivative(T x) const { return x > lambda || x <= -lambda ? T(1) : T(0); }
};

template <class T>
struct Sine {
  T value(T x) const { return elementary::sin(x); }
  T derivative(T x) const { return elementary::cos(x); }
};

template <class T>
struct Gaussian {
  T value(T x) const { return elementary::exp(-x * x); }
  T derivative(T x) const {
    const T b = before_overflow(x);
    return T(-2) * b * elementary::exp(-b * b);
  }
};

}  // namespace lockstep::activation_functions
