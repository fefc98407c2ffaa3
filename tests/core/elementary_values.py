#!/usr/bin/env python3
"""Writes elementary_values.hpp: elementary functions at selected points, computed by mpmath with 60 digits.

    python3 elementary_values.py > elementary_values.hpp
"""
import random
import struct

import mpmath
from mpmath import mp, mpf

mp.dps = 60
PI = mp.pi


def to_float32(x):
    return struct.unpack("f", struct.pack("f", x))[0]


def spread(lowest_exponent, highest_exponent, count, signs=(1, -1)):
    """Numbers of every size from 2^lowest to 2^highest."""
    step = (highest_exponent - lowest_exponent) / (count - 1)
    return [random.choice(signs) * 2.0 ** (lowest_exponent + i * step) * random.uniform(1, 1.4)
            for i in range(count)]


def near(points, count=3):
    """The numbers next to each point, and some farther ones."""
    numbers = []
    for point in points:
        point = float(point)
        numbers += [point, point * (1 + 2**-52), point * (1 - 2**-52)]
        numbers += [point * (1 + random.choice((1, -1)) * 2.0 ** -random.randint(3, 45)) for _ in range(count)]
    return numbers


def points_of(name, single):
    tiny = -149 if single else -1074
    small = spread(tiny, -1, 24)
    uniform = random.uniform
    if name == "exp":
        low, high = (-103, 88.7) if single else (-745, 709.7)
        return small + [uniform(low, high) for _ in range(30)] + [uniform(-3, 3) for _ in range(20)] + near(
            [float((k + 0.5) * mp.log(2)) for k in (-3, -1, 0, 1, 20)]) + [low, high]
    if name == "expm1":
        high = 88.7 if single else 709.7
        return small + [uniform(-3, 3) for _ in range(40)] + [uniform(-50, high) for _ in range(15)] + near(
            [float((k + 0.5) * mp.log(2)) for k in (-3, -2, -1, 0, 1, 2)]) + [high, -50.0]
    if name == "log":
        top = 127 if single else 1023
        return spread(tiny, top, 40, (1,)) + [uniform(0.5, 2) for _ in range(30)] + near(
            [1, 2 ** 0.5, 0.5 ** 0.5, 2, float(mp.e)], 6) + [2.0 ** tiny]
    if name == "log1p":
        top = 127 if single else 1023
        return small + spread(0, top, 16, (1,)) + [uniform(-0.999, 2) for _ in range(40)] + near(
            [-0.5, 1, float(mp.sqrt(2) - 1), float(mp.sqrt(0.5) - 1)]) + ([-1 + 2**-24] if single
                                                                         else [-1 + 2**-53])
    if name == "tanh":
        return small + [uniform(-1, 1) for _ in range(25)] + [uniform(-20, 20) for _ in range(20)] + near(
            [0.17, 0.35, 0.5, 19.0])
    if name == "erf":
        return small + [uniform(-1, 1) for _ in range(20)] + [uniform(-6, 6) for _ in range(30)] + near(
            [0.5, 1, 2, 3, 5.9])
    # sin, cos
    return small + [uniform(-4, 4) for _ in range(20)] + [uniform(-2**20, 2**20) for _ in range(20)] + near(
        [float(k * PI / 4) for k in (1, 2, 3, 4, 5, 6, 8, 1000, 333333)])


def row(function, x):
    exact = function(mpf(x))
    high = float(exact)
    low = float(exact - mpf(high))
    return f"    {{{float(x).hex()}, {high.hex()}, {low.hex()}}},"


def table(name, function, single):
    kind = "float" if single else "double"
    print(f"inline constexpr ElementaryValue {name}_{kind}_values[] = {{")
    points = points_of(name, single)
    if single:
        points = [to_float32(x) for x in points]
    for x in sorted(set(points)):
        if x != 0 and not (name == "log1p" and x <= -1):
            print(row(function, x))
    print("};")


def main():
    random.seed(1)
    print(f"""#pragma once

// Made by elementary_values.py with mpmath {mpmath.__version__}; do not edit.

namespace lockstep::testing {{

/// f(x) = high + low; low is what rounding to double lost.
struct ElementaryValue {{
  double x, high, low;
}};

/// pow(x, y) = high + low.
struct PowerValue {{
  double x, y, high, low;
}};

// clang-format off""")
    functions = [("exp", mp.exp), ("expm1", mp.expm1), ("log", mp.log), ("log1p", mp.log1p), ("tanh", mp.tanh),
                 ("erf", mp.erf), ("sin", mp.sin), ("cos", mp.cos)]
    for name, function in functions:
        table(name, function, single=False)
        table(name, function, single=True)
    print("inline constexpr PowerValue pow_values[] = {")
    for _ in range(60):
        x, y = 10 ** random.uniform(-3, 3), random.uniform(-8, 8)
        exact = mpf(x) ** mpf(y)
        print(f"    {{{x.hex()}, {y.hex()}, {float(exact).hex()}, {float(exact - mpf(float(exact))).hex()}}},")
    print("""};
// clang-format on

}  // namespace lockstep::testing""")


if __name__ == "__main__":
    main()
