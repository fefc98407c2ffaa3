#!/usr/bin/env python3
"""Writes constraint_values.hpp: a random kernel under each constraint, as Keras 3 documents them (axis=0).

    python3 constraint_values.py > constraint_values.hpp
"""
import numpy as np

ROWS, COLUMNS = 6, 4


def nonneg(w):
    return np.maximum(w, 0)


def max_norm(w, limit):
    norms = np.linalg.norm(w, axis=0)
    return w * (np.clip(norms, 0, limit) / (1e-7 + norms))


def unit_norm(w):
    return w / (1e-7 + np.linalg.norm(w, axis=0))


def main():
    w = np.random.default_rng(7).normal(size=(ROWS, COLUMNS))
    w[:, 0] *= 0.1  # below the limits
    w[:, 3] = 0
    print("#pragma once\n\n// Made by constraint_values.py; do not edit.\n\nnamespace lockstep::testing {\n")
    print(f"inline constexpr int kernel_rows = {ROWS}, kernel_columns = {COLUMNS};\n")
    print("struct ConstraintValue {\n  const char* text;\n  double kernel[kernel_rows * kernel_columns];\n};\n")
    print("// clang-format off\ninline constexpr ConstraintValue constraint_values[] = {")
    for text, kernel in [("none", w), ("nonneg", nonneg(w)), ("max_norm", max_norm(w, 2)),
                         ("max_norm(0.75)", max_norm(w, 0.75)), ("unit_norm", unit_norm(w))]:
        print(f'    {{"{text}", {{' + ", ".join(repr(float(x)) for x in kernel.ravel()) + "}},")
    print("};\n// clang-format on\n\n}  // namespace lockstep::testing")


if __name__ == "__main__":
    main()
