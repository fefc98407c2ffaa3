#!/usr/bin/env python3
"""Writes initializer_values.hpp: kernels drawn by NumPy's legacy generator, one after the other from one seed.

    python3 initializer_values.py > initializer_values.hpp
"""
import hashlib

import numpy as np

SEED = 3
SHAPES = [(31, 20), (20, 7)]  # more numbers than the generator's state holds


def digest(kernels):
    return hashlib.sha256(b"".join(np.ascontiguousarray(k, "<f8").tobytes() for k in kernels)).hexdigest()


def truncated(mean, sd, shape):
    values = []
    while len(values) < shape[0] * shape[1]:
        z = np.random.standard_normal()
        if abs(z) <= 2:
            values.append(mean + sd * z)
    return np.reshape(values, shape)


def main():
    cases = []
    np.random.seed(SEED)
    cases.append(("uniform(-0.5,0.5)", "uniform(-0.01,0.1)",
                  [np.random.uniform(-0.5, 0.5, SHAPES[0]), np.random.uniform(-0.01, 0.1, SHAPES[1])]))
    np.random.seed(SEED)
    cases.append(("normal(0.5,2)", "uniform(0,1)",
                  [np.random.normal(0.5, 2, SHAPES[0]), np.random.random(SHAPES[1])]))
    np.random.seed(SEED)
    cases.append(("truncated_normal(1,0.25)", "constant(0.125)", [truncated(1, 0.25, SHAPES[0]),
                                                                 np.full(SHAPES[1], 0.125)]))
    np.random.seed(SEED)
    cases.append(("zeros", "normal(0,1)", [np.zeros(SHAPES[0]), np.random.standard_normal(SHAPES[1])]))
    print("#pragma once\n\n// Made by initializer_values.py; do not edit.\n\nnamespace lockstep::testing {\n")
    print("// Kernels of (31, 20) and (20, 7), seed 3: single elements, and the SHA-256 of all in order.")
    print("struct InitializerValue {\n  const char *first_initializer, *second_initializer;\n"
          "  double first_begin, first_end, second_begin, second_end;\n  const char* sha256;\n};\n")
    print("// clang-format off\ninline constexpr InitializerValue initializer_values[] = {")
    for first, second, (a, b) in cases:
        ends = ", ".join(repr(float(x)) for x in (a[0, 0], a[-1, -1], b[0, 0], b[-1, -1]))
        print(f'    {{"{first}", "{second}", {ends},\n     "{digest([a, b])}"}},')
    print("};\n// clang-format on\n\n}  // namespace lockstep::testing")


if __name__ == "__main__":
    main()
