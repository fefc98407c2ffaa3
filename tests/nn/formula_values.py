#!/usr/bin/env python3
"""Writes formula_values.hpp: values and left derivatives of formulas, computed by Python's own parser and mpmath.

Python reads the same text: its operators bind as those of formulas do. Fixed formulas, and random ones.

    python3 formula_values.py > formula_values.hpp
"""
import ast
import random

from mpmath import mp, mpc, mpf, atan, cos, cosh, erf, exp, expm1, inf, isfinite, log, log1p, ncdf, sin, sinh, sqrt, tan, tanh

mp.dps = 120
STEP = mpf(10) ** -50

NAMES = {"exp": exp, "expm1": expm1, "log": log, "log1p": log1p, "sqrt": sqrt, "sin": sin, "cos": cos, "tan": tan,
         "atan": atan, "sinh": sinh, "cosh": cosh, "erf": erf, "normal_cdf": ncdf, "tanh": tanh, "abs": abs, "min": min,
         "max": max, "sigmoid": lambda u: 1 / (1 + exp(-u)), "softplus": lambda u: log(1 + exp(u)),
         "relu": lambda u: max(u, mpf(0)), "softsign": lambda u: u / (1 + abs(u)),
         "hard_tanh": lambda u: min(max(u, mpf(-1)), mpf(1)), "elu": lambda u: u if u > 0 else exp(u) - 1,
         "silu": lambda u: u / (1 + exp(-u)), "gaussian": lambda u: exp(-u * u),
         "sign": lambda u: mpf(1) if u > 0 else mpf(-1) if u < 0 else mpf(0),
         "clip": lambda u, low, high: min(max(u, low), high), "pow": lambda u, v: u**v}

FIXED = """
x*tanh(log(1+exp(x)))
x/(1+exp(-x))
x*sigmoid(1.702*x)
(exp(x)-exp(-x))/(exp(x)+exp(-x))
log(1+exp(x))
x if x > 0 else 0.25*x
x if x > 0 else exp(x) - 1
max(x, 0.1*x)
min(max(x, -1), 1)
x/(1+abs(x))
x/sqrt(1+x**2)
((x**2+1)**0.5 - 1)/2 + x
sin(x)/x if x != 0 else 1
atan(x)
atan(3*x)*2/3.141592653589793
x**3
x**-2
x**7 - 2*x**4 + x
(1+x*x)**1.3
(1+x*x)**-0.75
2**x
(1+abs(x))**sin(x)
sinh(x)/cosh(x)
erf(x) + normal_cdf(x) - expm1(x/4)
tan(x/4)
log1p(x*x) - log(2+cos(x))
0 if x < -1 else (x+1)/2 if x <= 1 else 1
x**2 if 0 <= x < 2 and not x == 1 else 4*x - 4
sign(x)*log(1+abs(x))
x*cos(2*x) if x > -2 or x < -4 else -x
clip(x, -1, 1) + 0.01*x
pow(sigmoid(x), 2)
1/(1+exp(3-2*x))
3/(exp(x)+1)
""".strip().splitlines()

POINTS = [mpf(k) / 64 for k in (-1000, -300, -128, -64, -37, -16, -1, 0, 1, 16, 37, 64, 128, 192, 300, 1000)]
UNARY = ["exp", "log1p", "sin", "cos", "tanh", "sigmoid", "softplus", "atan", "erf", "abs", "relu", "softsign",
         "hard_tanh", "elu", "silu", "gaussian", "normal_cdf", "sqrt", "expm1"]


class Unsuitable(Exception):
    """The formula tells nothing at this point: too large, not real, or two sides nearly equal."""


class Evaluator:
    """Evaluates at x and at its left, looking at every part on the way."""

    def __init__(self, x):
        self.x, self.scale = x, mpf(1)

    def number(self, here, left):
        for value in (here, left):
            if isinstance(value, mpc) or not isfinite(value) or abs(value) > 1e6:
                raise Unsuitable
        slope = abs(here - left) / STEP
        if slope > 1e6:
            raise Unsuitable
        self.scale = max(self.scale, abs(here), slope)
        return here, left

    def tell_apart(self, a, b):
        if 0 < abs(a[0] - b[0]) < mpf("1e-3"):
            raise Unsuitable

    def part(self, node):
        if isinstance(node, ast.Constant):
            return mpf(node.value), mpf(node.value)
        if isinstance(node, ast.Name):
            return self.x, self.x - STEP
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return tuple(not side for side in self.part(node.operand))
        if isinstance(node, ast.UnaryOp):
            return tuple(-side if isinstance(node.op, ast.USub) else side for side in self.part(node.operand))
        if isinstance(node, ast.BoolOp):
            parts = [self.part(value) for value in node.values]
            combine = all if isinstance(node.op, ast.And) else any
            return tuple(combine(part[side] for part in parts) for side in (0, 1))
        if isinstance(node, ast.Compare):
            return self.comparison(node)
        if isinstance(node, ast.IfExp):
            condition, a, b = self.part(node.test), self.part(node.body), self.part(node.orelse)
            return self.number(*(a[side] if condition[side] else b[side] for side in (0, 1)))
        if isinstance(node, ast.BinOp):
            a, b = self.part(node.left), self.part(node.right)
            return self.number(*(self.binary(node.op, a[side], b[side]) for side in (0, 1)))
        return self.call(node)

    def comparison(self, node):
        parts = [self.part(value) for value in (node.left, *node.comparators)]
        for a, b in zip(parts, parts[1:]):
            self.tell_apart(a, b)
        relations = {ast.Lt: lambda a, b: a < b, ast.LtE: lambda a, b: a <= b, ast.Gt: lambda a, b: a > b,
                     ast.GtE: lambda a, b: a >= b, ast.Eq: lambda a, b: a == b, ast.NotEq: lambda a, b: a != b}
        return tuple(all(relations[type(op)](a[side], b[side]) for op, a, b in zip(node.ops, parts, parts[1:]))
                     for side in (0, 1))

    @staticmethod
    def binary(op, a, b):
        if isinstance(op, ast.Div) and b == 0:
            raise Unsuitable
        if isinstance(op, ast.Pow):
            if a < 0 and b != int(b) or a == 0:
                raise Unsuitable
            return a**b if b != int(b) else a**int(b)
        return {ast.Add: lambda: a + b, ast.Sub: lambda: a - b, ast.Mult: lambda: a * b, ast.Div: lambda: a / b}[type(op)]()

    def call(self, node):
        arguments, name = [self.part(argument) for argument in node.args], node.func.id
        kinks = {"abs": [0], "relu": [0], "elu": [0], "sign": [0], "softsign": [0], "hard_tanh": [-1, 1]}.get(name, [])
        for kink in kinks:
            self.tell_apart(arguments[0], (mpf(kink), mpf(kink)))
        if name in ("min", "max", "clip"):
            for other in arguments[1:]:
                self.tell_apart(arguments[0], other)
        if name in ("sqrt", "log") and arguments[0][0] <= mpf("1e-3") or name == "log1p" and arguments[0][0] < -0.99:
            raise Unsuitable
        return self.number(*(NAMES[name](*(argument[side] for argument in arguments)) for side in (0, 1)))


def random_number(rng):
    return str(rng.choice([0, 0.5, 1, 2, 3, 0.25, 1.5, 0.1]))


def random_formula(rng, depth):
    if depth == 0 or rng.random() < 0.1:
        return "x" if rng.random() < 0.7 else random_number(rng)
    a, b = random_formula(rng, depth - 1), random_formula(rng, rng.randrange(depth))
    kind = rng.random()
    if kind < 0.4:
        return f"({a} {rng.choice('+-**/')} {b})"
    if kind < 0.75:
        return f"{rng.choice(UNARY)}({a})"
    if kind < 0.8:
        return f"-{a}"
    if kind < 0.85:
        return f"({a})**{rng.choice(['2', '3', '0.5', '1.5', '-1'])}"
    if kind < 0.9:
        return f"{rng.choice(['min', 'max'])}({a}, {b})"
    condition = f"{a} {rng.choice(['<', '<=', '>', '>='])} {random_number(rng)}"
    return f"({b} if {condition} else {random_formula(rng, depth - 1)})"


def rows_of(formula, points):
    for x in points:
        evaluator = Evaluator(x)
        try:
            here, left = evaluator.part(ast.parse(formula, mode="eval").body)
        except Unsuitable:
            continue
        yield x, here, (here - left) / STEP, evaluator.scale


def number(value):
    return repr(float(value) + 0.0)


def main():
    rng = random.Random(1)
    rows = [(formula, *row) for formula in FIXED for row in rows_of(formula, POINTS) if row[3] < 1e5]
    randoms = 0
    while randoms < 200:
        formula = random_formula(rng, 4)
        found = list(rows_of(formula, rng.sample(POINTS, 5)))
        if "x" not in formula.replace("exp", "") or not found or max(row[3] for row in found) > 30:
            continue
        randoms += 1
        rows += [(formula, *row) for row in found]
    print("#pragma once\n")
    print("// Made by formula_values.py; do not edit.\n")
    print("namespace lockstep::testing {\n")
    print("/// `scale`: the largest size of a value or slope of any part, by which rounding errors have to be measured.")
    print("struct FormulaValue {\n  const char* formula;\n  double x, value, left_derivative, scale;\n};\n")
    print("// clang-format off\ninline constexpr FormulaValue formula_values[] = {")
    for formula, x, value, slope, scale in rows:
        print(f'    {{"{formula}", {number(x)}, {number(value)}, {number(slope)}, {float(scale):.3g}}},')
    print("};\n// clang-format on\n\n}  // namespace lockstep::testing")


if __name__ == "__main__":
    main()
