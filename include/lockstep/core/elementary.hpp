#pragma once

/// Elementary functions with defined bits: built from IEEE 754 operations in a fixed order, so that they give
/// the same bits on every machine and with every C library. Accuracy: at most 4 units in the last place for
/// double (sin and cos for |x| ≤ 2²⁰), 1 for float. Special values as in C's <cmath>: NaN in, NaN out;
/// exp(−inf) = 0 and so on. T: float or double.
namespace lockstep::elementary {

/// eˣ
template <class T>
T exp(T x);
/// eˣ − 1, accurate near 0
template <class T>
T expm1(T x);
/// Natural logarithm; −inf at 0, NaN below
template <class T>
T log(T x);
/// log(1 + x), accurate near 0
template <class T>
T log1p(T x);
template <class T>
T tanh(T x);
template <class T>
T erf(T x);
template <class T>
T sin(T x);
template <class T>
T cos(T x);

template <>
float exp(float x);
template <>
double exp(double x);
template <>
float expm1(float x);
template <>
double expm1(double x);
template <>
float log(float x);
template <>
double log(double x);
template <>
float log1p(float x);
template <>
double log1p(double x);
template <>
float tanh(float x);
template <>
double tanh(double x);
template <>
float erf(float x);
template <>
double erf(double x);
template <>
float sin(float x);
template <>
double sin(double x);
template <>
float cos(float x);
template <>
double cos(double x);

/// xʸ for x ≥ 0: exp(y · log x); 1 for y = 0 or x = 1.
double pow(double x, double y);
/// xⁿ by repeated squaring.
double power(double x, unsigned long long n);

}  // namespace lockstep::elementary
