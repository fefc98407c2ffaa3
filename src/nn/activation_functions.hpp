#pragma once

#include <cmath>

#include "lockstep/core/elementary.hpp"

/// The activation functions with their derivatives, for T = float and double. Each is a struct called with x,
/// and a first member for its parameter if it has one; who needs only value or slope leaves it to the
/// compiler to drop the rest. They hold to four rules:
///  - bits do not depend on the C library: elementary functions come from core/elementary.hpp;
///  - no overflow on the way to a finite result: where a vanishing factor meets an infinite one, x is bounded
///    first;
///  - at a kink the derivative follows the left branch;
///  - NaN stays NaN (comparisons are written so that it falls through), or a diverged run would look healthy.
/// `piecewise_rational`: the slope is cheaper to compute again than to keep from forward to backward pass.
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

/// x · gate(x) where the gate vanishes far below: there 0 instead of −inf · 0.
template <class T>
T gated(T x, T gate) {
  return x < T(-1000) ? T(0) : x * gate;
}

template <class T>
struct Identity {
  static constexpr bool piecewise_rational = true;
  ValueAndSlope<T> operator()(T x) const { return {x, T(1)}; }
};

template <class T>
struct Step {
  static constexpr bool piecewise_rational = true;
  ValueAndSlope<T> operator()(T x) const { return {x > T(0) ? T(1) : (x <= T(0) ? T(0) : x), T(0)}; }
};

template <class T>
struct Sigmoid {
  static constexpr bool piecewise_rational = false;
  ValueAndSlope<T> operator()(T x) const { return elementary::logistic(x); }
};

template <class T>
struct HardSigmoid {
  static constexpr bool piecewise_rational = true;
  ValueAndSlope<T> operator()(T x) const {
    return {bounded(x + T(3), T(0), T(6)) / T(6), x > T(-3) && x <= T(3) ? T(1) / T(6) : T(0)};
  }
};

template <class T>
struct Softplus {
  static constexpr bool piecewise_rational = false;
  ValueAndSlope<T> operator()(T x) const {
    const T log_sum = elementary::log1p(elementary::exp(-std::abs(x)));
    return {(x < T(0) ? T(0) : x) + log_sum, elementary::logistic(x).value};
  }
};

template <class T>
struct LogSigmoid {
  static constexpr bool piecewise_rational = false;
  ValueAndSlope<T> operator()(T x) const {
    const ValueAndSlope<T> softplus = Softplus<T>{}(-x);
    return {-softplus.value, softplus.slope};
  }
};

template <class T>
struct Tanh {
  static constexpr bool piecewise_rational = false;
  ValueAndSlope<T> operator()(T x) const { return elementary::tanh_and_slope(x); }
};

template <class T>
struct HardTanh {
  static constexpr bool piecewise_rational = true;
  ValueAndSlope<T> operator()(T x) const {
    return {bounded(x, T(-1), T(1)), x > T(-1) && x <= T(1) ? T(1) : T(0)};
  }
};

template <class T>
struct Relu {
  static constexpr bool piecewise_rational = true;
  ValueAndSlope<T> operator()(T x) const { return {x <= T(0) ? T(0) : x, x <= T(0) ? T(0) : T(1)}; }
};

template <class T>
struct Relu6 {
  static constexpr bool piecewise_rational = true;
  ValueAndSlope<T> operator()(T x) const {
    return {bounded(x, T(0), T(6)), x > T(0) && x <= T(6) ? T(1) : T(0)};
  }
};

template <class T>
struct LeakyRelu {
  static constexpr bool piecewise_rational = true;
  T negative_slope;
  ValueAndSlope<T> operator()(T x) const {
    return {x > T(0) ? x : negative_slope * x, x > T(0) ? T(1) : negative_slope};
  }
  /// ∂f/∂negative_slope
  T parameter_slope(T x) const { return x > T(0) ? T(0) : x; }
};

template <class T>
struct Elu {
  static constexpr bool piecewise_rational = false;
  T alpha;
  ValueAndSlope<T> operator()(T x) const {
    const bool right = x > T(0);
    return {right ? x : alpha * elementary::expm1(x), right ? T(1) : alpha * elementary::exp(x)};
  }
};

// Klambauer et al., "Self-normalizing neural networks", 2017.
template <class T>
struct Selu {
  static constexpr bool piecewise_rational = false;
  static constexpr T scale = T(1.0507009873554804934193349852946);
  static constexpr T alpha = T(1.6732632423543772848170429916717);
  ValueAndSlope<T> operator()(T x) const {
    const ValueAndSlope<T> elu = Elu<T>{alpha}(x);
    return {scale * elu.value, scale * elu.slope};
  }
};

template <class T>
struct Celu {
  static constexpr bool piecewise_rational = false;
  T alpha;
  ValueAndSlope<T> operator()(T x) const {
    const T quotient = x / alpha;
    const bool right = x > T(0);
    return {right ? x : alpha * elementary::expm1(quotient), right ? T(1) : elementary::exp(quotient)};
  }
};

// Hendrycks & Gimpel, "Gaussian error linear units", 2016: x Φ(x).
template <class T>
struct Gelu {
  static constexpr bool piecewise_rational = false;
  ValueAndSlope<T> operator()(T x) const {
    const ValueAndSlope<T> cdf = elementary::normal_cdf(x);
    return {gated(x, cdf.value), cdf.value + before_overflow(x) * cdf.slope};
  }
};

// x (1 + tanh(u)) / 2 with u = √(2/π) (x + 0.044715 x³), and (1 + tanh(u)) / 2 = sigmoid(2u).
template <class T>
struct GeluTanh {
  static constexpr bool piecewise_rational = false;
  ValueAndSlope<T> operator()(T x) const {
    constexpr T sqrt_8_over_pi = T(1.5957691216057307117);
    constexpr T cubic = T(0.044715);
    const T b = before_overflow(x);
    const ValueAndSlope<T> gate = elementary::logistic(sqrt_8_over_pi * (b + cubic * b * b * b));
    const T twice_u_slope = sqrt_8_over_pi * (T(1) + T(3) * cubic * b * b);
    return {gated(x, gate.value), gate.value + b * gate.slope * twice_u_slope};
  }
};

template <class T>
struct Silu {
  static constexpr bool piecewise_rational = false;
  ValueAndSlope<T> operator()(T x) const {
    const ValueAndSlope<T> gate = elementary::logistic(x);
    return {gated(x, gate.value), gate.value + before_overflow(x) * gate.slope};
  }
};

// Ramachandran et al., "Searching for activation functions", 2017: x σ(βx).
template <class T>
struct Swish {
  static constexpr bool piecewise_rational = false;
  T beta;
  ValueAndSlope<T> operator()(T x) const {
    const T u = beta * x;
    const ValueAndSlope<T> gate = elementary::logistic(u);
    return {gate.value == T(0) ? T(0) : x * gate.value, gate.value + before_overflow(u) * gate.slope};
  }
  /// ∂f/∂beta = x² σ'(βx)
  T parameter_slope(T x) const {
    const T b = bounded(x, T(-1e18), T(1e18));
    return b * (b * elementary::logistic(beta * x).slope);
  }
};

template <class T>
struct HardSwish {
  static constexpr bool piecewise_rational = true;
  ValueAndSlope<T> operator()(T x) const {
    return {x <= T(-3) ? T(0) : x * HardSigmoid<T>{}(x).value,
            x <= T(-3) ? T(0) : (x > T(3) ? T(1) : (T(2) * x + T(3)) / T(6))};
  }
};

// Misra, 2019: x tanh(softplus(x)); with e = exp(−|x|) the tanh is a quotient of polynomials in e.
template <class T>
struct Mish {
  static constexpr bool piecewise_rational = false;
  ValueAndSlope<T> operator()(T x) const {
    const T e = elementary::exp(-std::abs(x));
    const T numerator = x < T(0) ? e * (e + T(2)) : T(1) + T(2) * e;
    const T rest = x < T(0) ? T(2) : T(2) * e * e;
    const T reciprocal = T(1) / (numerator + rest);
    const T gate = numerator * reciprocal;
    // 1 − gate² = 2 rest (1 + e)² reciprocal², of which softplus' = (x < 0 ? e : 1) / (1 + e) takes a factor.
    const T gate_slope = T(2) * rest * (T(1) + e) * (x < T(0) ? e : T(1)) * (reciprocal * reciprocal);
    return {gated(x, gate), gate + before_overflow(x) * gate_slope};
  }
};

template <class T>
struct Softsign {
  static constexpr bool piecewise_rational = true;
  // Beyond 1e30 the quotient is 1 in either precision, and at infinity it would be NaN.
  ValueAndSlope<T> operator()(T x) const {
    const T b = bounded(x, T(-1e30), T(1e30));
    const T reciprocal = T(1) / (T(1) + std::abs(x));
    return {b / (T(1) + std::abs(b)), reciprocal * reciprocal};
  }
};

template <class T>
struct TanhShrink {
  static constexpr bool piecewise_rational = false;
  ValueAndSlope<T> operator()(T x) const {
    const T t = elementary::tanh(x);
    return {x - t, t * t};
  }
};

template <class T>
struct SoftShrink {
  static constexpr bool piecewise_rational = true;
  T lambda;
  ValueAndSlope<T> operator()(T x) const {
    return {x - bounded(x, -lambda, lambda), x > lambda || x <= -lambda ? T(1) : T(0)};
  }
};

template <class T>
struct Sine {
  static constexpr bool piecewise_rational = false;
  ValueAndSlope<T> operator()(T x) const { return {elementary::sin(x), elementary::cos(x)}; }
};

template <class T>
struct Gaussian {
  static constexpr bool piecewise_rational = false;
  ValueAndSlope<T> operator()(T x) const {
    const T e = elementary::exp(-x * x);
    return {e, T(-2) * before_overflow(x) * e};
  }
};

}  // namespace lockstep::activation_functions
