#pragma once

/// Elementary functions with defined bits: built from IEEE 754 operations (+, −, ×, ÷, sqrt, fma) in a fixed order, so
/// that they give the same bits on every machine and with every C library. Accuracy: a few units in the last place
/// (each function says how many). Special values as in C's <cmath>: NaN in, NaN out; exp(−inf) = 0 and so on.
/// All are instantiated for float and double.
namespace lockstep::elementary {

template <class T> T exp(T x);      ///< eˣ
template <class T> T expm1(T x);    ///< eˣ − 1, accurate near 0
template <class T> T log(T x);      ///< natural logarithm; −inf at 0, NaN below
template <class T> T log1p(T x);    ///< log(1 + x), accurate near 0
template <class T> T tanh(T x);
template <class T> T erf(T x);
template <class T> T sin(T x);
template <class T> T cos(T x);

/// xʸ for x ≥ 0 (exp(y · log x); exact cases 0 and 1 handled).
double pow(double x, double y);
/// xⁿ by repeated squaring: n ≥ 0.
double power(double x, unsigned long long n);

}  // namespace lockstep::elementary
