#!/usr/bin/env python3
"""Writes include/lockstep/core/elementary_coefficients.hpp: the polynomials of the elementary functions,
Chebyshev fits computed by mpmath with 50 digits.

    python3 elementary_coefficients.py > ../../include/lockstep/core/elementary_coefficients.hpp

Changing a coefficient changes the bits of every result that was computed with it.
"""
from mpmath import mp, mpf, chebyfit, erf, erfc, exp, log, sqrt, nstr, pi

mp.dps = 50


def expm1_tail(r):  # (e^r - 1 - r) / r^2
    if abs(r) < mpf(10) ** -8:
        return mpf(1) / 2 + r / 6 + r * r / 24
    return (exp(r) - 1 - r) / r**2


def log_tail(z):  # (2 artanh(s) / s - 2) / z, z = s^2
    if z < mpf(10) ** -8:
        return mpf(2) / 3 + z * 2 / 5 + z * z * 2 / 7
    s = sqrt(z)
    return (log((1 + s) / (1 - s)) / s - 2) / z


def erf_near(z):  # erf(x) / x - 1, z = x^2
    return (erf(sqrt(z)) / sqrt(z) if z > 0 else 2 / sqrt(pi)) - 1


def erf_far(t):  # e^(x^2) erfc(x), t = (x - 2) / (x + 2)
    x = 2 * (1 + t) / (1 - t)
    return exp(x * x) * erfc(x)


def t_of(x):
    return (mpf(x) - 2) / (mpf(x) + 2)


FITS = [
    ("expm1_tail", "(eʳ − 1 − r) / r² for |r| ≤ 0.347", expm1_tail, [mpf(-0.347), mpf(0.347)], 11, 6),
    ("log_tail", "(2 artanh(s) / s − 2) / s² in s² ≤ 0.0295", log_tail, [mpf(0), mpf(0.0295)], 7, 4),
    ("erf_near", "erf(x) / x − 1 in x² ≤ 1", erf_near, [mpf(0), mpf(1)], 12, 7),
    ("erf_far", "e^(x²) erfc(x) in (x − 2) / (x + 2), from 1 to 6 (float: to 4)", erf_far,
     {"double": [t_of(1), t_of(6)], "float": [t_of(1), t_of(4)]}, 17, 7),
]


def table(kind):
    print(f"template <>\nstruct Coefficients<{kind}> {{")
    for name, meaning, function, interval, double_terms, float_terms in FITS:
        terms = double_terms if kind == "double" else float_terms
        interval = interval[kind] if isinstance(interval, dict) else interval
        coefficients, error = chebyfit(function, interval, terms, error=True)
        print(f"  /// {meaning}; off by at most {nstr(error, 1)}.")
        print(f"  static constexpr double {name}[] = {{")
        for c in coefficients:
            print(f"      {float(c).hex()},")
        print("  };")
    print("};\n")


print("""#pragma once

// Made by src/core/elementary_coefficients.py; do not edit. They are part of the results' definition.

namespace lockstep::elementary {

/// Polynomials, highest power first, as accurate as results of type T need them. All arithmetic is in double.
template <class T>
struct Coefficients;

// clang-format off""")
table("double")
table("float")
print("""// clang-format on

}  // namespace lockstep::elementary""")
