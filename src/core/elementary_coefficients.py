#!/usr/bin/env python3
"""Writes include/lockstep/core/elementary_coefficients.hpp: the polynomials of the elementary functions,
Chebyshev fits computed by mpmath with 50 digits.

    python3 elementary_coefficients.py > ../../include/lockstep/core/elementary_coefficients.hpp

Changing a coefficient changes the bits of every result that was computed with it.
"""
import struct

from mpmath import mp, mpf, chebyfit, erf, erfc, exp, log, log1p, sqrt, tanh, nstr, pi

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


def log1p_tail(f):  # (log(1 + f) - f + f^2 / 2) / f^3
    if abs(f) < mpf(10) ** -8:
        return mpf(1) / 3 - f / 4 + f * f / 5
    return (log1p(f) - f + f * f / 2) / f**3


def tanh_near(z):  # (tanh(x) / x - 1) / z, z = x^2
    if z < mpf(10) ** -12:
        return -mpf(1) / 3 + z * 2 / 15
    return (tanh(sqrt(z)) / sqrt(z) - 1) / z


def erf_near(z):  # erf(x) / x - 1, z = x^2
    return (erf(sqrt(z)) / sqrt(z) if z > 0 else 2 / sqrt(pi)) - 1


def erf_far(t):  # e^(x^2) erfc(x), t = (x - 2) / (x + 2)
    x = 2 * (1 + t) / (1 - t)
    return exp(x * x) * erfc(x)


def log_erfc(x):  # log(erfc(x)) / x
    return log(erfc(x)) / x


def normal_tail(t):  # e^(x^2 / 2) Phi(-x) / t, t = 1 / (1 + x / 4)
    x = 4 * (1 / t - 1)
    return exp(x * x / 2) * erfc(x / sqrt(mpf(2))) / (2 * t)


def t_of(x):
    return (mpf(x) - 2) / (mpf(x) + 2)


EXPM1_TAIL = ("expm1_tail", "(eʳ − 1 − r) / r² for |r| ≤ 0.347", expm1_tail, [mpf(-0.347), mpf(0.347)])
ERF_NEAR = ("erf_near", "erf(x) / x − 1 in x² ≤ 1", erf_near, [mpf(0), mpf(1)])
FITS = {
    "double": [
        (*EXPM1_TAIL, 11),
        ("log_tail", "(2 artanh(s) / s − 2) / s² in s² ≤ 0.0295", log_tail, [mpf(0), mpf(0.0295)], 7),
        (*ERF_NEAR, 12),
        ("erf_far", "e^(x²) erfc(x) in (x − 2) / (x + 2), from 1 to 6", erf_far, [t_of(1), t_of(6)], 17),
    ],
    "float": [
        (*EXPM1_TAIL, 5),
        ("log1p_tail", "(log(1 + f) − f + f²/2) / f³ for 1 + f in [√½, √2]", log1p_tail,
         [sqrt(mpf(0.5)) - 1, sqrt(mpf(2)) - 1], 9),
        ("tanh_near", "(tanh(x) / x − 1) / x² in x² ≤ 0.625²", tanh_near, [mpf(0), mpf(0.625) ** 2], 5),
        (*ERF_NEAR, 7),
        ("log_erfc", "log(erfc(x)) / x from 1 to 4", log_erfc, [mpf(1), mpf(4)], 8),
        ("normal_tail", "e^(x²/2) Φ(−x) / t in t = 1 / (1 + x / 4), x from 0 to 14.5", normal_tail,
         [1 / (1 + mpf(14.5) / 4), mpf(1)], 9),
    ],
}


def rounded(coefficient, kind):
    if kind == "double":
        return float(coefficient).hex()
    single = struct.unpack("f", struct.pack("f", float(coefficient)))[0]
    return single.hex().replace("0000000p", "p") + "f"


def table(kind):
    print(f"template <>\nstruct Coefficients<{kind}> {{")
    for name, meaning, function, interval, terms in FITS[kind]:
        coefficients, error = chebyfit(function, interval, terms, error=True)
        print(f"  /// {meaning}; off by at most {nstr(error, 1)}.")
        print(f"  static constexpr {kind} {name}[] = {{")
        for c in coefficients:
            print(f"      {rounded(c, kind)},")
        print("  };")
    print("};\n")


print("""#pragma once

// Made by src/core/elementary_coefficients.py; do not edit. They are part of the results' definition.

namespace lockstep::elementary {

/// Polynomials, highest power first, as accurate as results of type T need them.
template <class T>
struct Coefficients;

// clang-format off""")
table("double")
table("float")
print("""// clang-format on

}  // namespace lockstep::elementary""")
