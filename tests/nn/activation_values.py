#!/usr/bin/env python3
"""Writes activation_values.hpp: values and left derivatives of every activation, to 150 digits or more before rounding.

The definitions below are transcribed from the PyTorch and Keras documentation, in their plain (unstable) form, and
evaluated with mpmath; derivatives are one-sided differences from the left, so they hold at kinks too.

    python3 activation_values.py > activation_values.hpp
"""
from mpmath import mp, mpf, diff, e, erf, exp, log, pi, sin, sqrt, tanh

mp.dps = 150


def relu6(x):
    return min(max(x, mpf(0)), mpf(6))


def elu(x, alpha):
    return x if x > 0 else alpha * (exp(x) - 1)


def celu(x, alpha):
    return max(mpf(0), x) + min(mpf(0), alpha * (exp(x / alpha) - 1))


def softshrink(x, lambd):
    return x - lambd if x > lambd else x + lambd if x < -lambd else mpf(0)


def gelu_tanh(x):
    return mpf("0.5") * x * (1 + tanh(sqrt(2 / pi) * (x + mpf("0.044715") * x**3)))


SELU_SCALE = mpf("1.0507009873554804934193349852946")
SELU_ALPHA = mpf("1.6732632423543772848170429916717")
SLOPE = mpf(0.01)  # the double closest to 0.01, which is what the program uses

ACTIVATIONS = {
    "identity": lambda x: x,
    "step": lambda x: mpf(1) if x > 0 else mpf(0),
    "sigmoid": lambda x: 1 / (1 + exp(-x)),
    "hard_sigmoid": lambda x: relu6(x + 3) / 6,
    "log_sigmoid": lambda x: log(1 / (1 + exp(-x))),
    "tanh": tanh,
    "hard_tanh": lambda x: min(max(x, mpf(-1)), mpf(1)),
    "relu": lambda x: max(x, mpf(0)),
    "relu6": relu6,
    "leaky_relu": lambda x: x if x > 0 else SLOPE * x,
    "prelu": lambda x: x if x > 0 else x / 4,
    "swish(trained)": lambda x: x / (1 + exp(-x)),
    "swish(trained,1.5)": lambda x: x / (1 + exp(-mpf("1.5") * x)),
    "leaky_relu(0.25)": lambda x: x if x > 0 else x / 4,
    "elu": lambda x: elu(x, 1),
    "elu(0.5)": lambda x: elu(x, mpf("0.5")),
    "selu": lambda x: SELU_SCALE * elu(x, SELU_ALPHA),
    "celu": lambda x: celu(x, 1),
    "celu(2)": lambda x: celu(x, 2),
    "gelu": lambda x: x * (1 + erf(x / sqrt(2))) / 2,
    "gelu_tanh": gelu_tanh,
    "silu": lambda x: x / (1 + exp(-x)),
    "hardswish": lambda x: x * relu6(x + 3) / 6,
    "mish": lambda x: x * tanh(log(1 + exp(x))),
    "softplus": lambda x: log(1 + exp(x)),
    "softsign": lambda x: x / (1 + abs(x)),
    "tanhshrink": lambda x: x - tanh(x),
    "softshrink": lambda x: softshrink(x, mpf("0.5")),
    "softshrink(0.25)": lambda x: softshrink(x, mpf("0.25")),
    "sine": sin,
    "gaussian": lambda x: e ** (-(x**2)),
}

# Kinks (0, ±0.25, ±0.5, ±1, ±3, 6), the neighbourhood of zero, ordinary values, saturation, far out.
POINTS = [0, 0.001, 0.0625, 0.25, 0.5, 0.75, 1, 1.5, 2.25, 3, 4.5, 6, 9, 20, 100, 10000]


def number(value):
    return repr(float(value) + 0.0)


def at(f, point):
    """Value and left derivative, with digits to spare where 1 + exp(-x) would otherwise round to 1."""
    mp.dps = 150 if abs(point) < 50 else 9000
    x = mpf(point)
    value = f(x)
    if abs(point) < 50:
        slope = diff(f, x, direction=-1)
    else:
        step = mpf(10) ** -4400
        slope = (f(x) - f(x - step)) / step
    mp.dps = 150
    return number(value), number(slope)


def main():
    print("#pragma once\n")
    print("// Made by activation_values.py; do not edit.\n")
    print("namespace lockstep::testing {\n")
    print("struct ActivationValue {\n  const char* activation;\n  double x, value, left_derivative;\n};\n")
    print("// clang-format off\ninline constexpr ActivationValue activation_values[] = {")
    for name, f in ACTIVATIONS.items():
        for point in sorted({-p for p in POINTS} | set(POINTS)):
            value, slope = at(f, point)
            print(f'    {{"{name}", {number(point)}, {value}, {slope}}},')
    print("};\n// clang-format on\n\n}  // namespace lockstep::testing")


if __name__ == "__main__":
    main()
