#!/usr/bin/env python3
"""Writes random_values.hpp: numbers drawn by NumPy's legacy generator.

    python3 random_values.py > random_values.hpp
"""
import numpy as np

SEEDS = [0, 1, 3, 42, 2**32 - 1]
POSITIONS = [0, 1, 2, 3, 4, 311, 312, 623, 624, 1999]  # the generator's state is renewed after 312 doubles


def row(seed, values):
    return f"    {{{seed}U, {{{', '.join(float(values[p]).hex() for p in POSITIONS)}}}}},"


def table(name, draw):
    print(f"inline constexpr NumpyValues {name}[] = {{")
    for seed in SEEDS:
        np.random.seed(seed)
        print(row(seed, draw(max(POSITIONS) + 1)))
    print("};\n")


def main():
    print(f"""#pragma once

// Made by random_values.py with NumPy {np.__version__}; do not edit.

#include <cstddef>
#include <cstdint>

namespace lockstep::testing {{

inline constexpr std::size_t numpy_positions[] = {{{', '.join(map(str, POSITIONS))}}};

/// What is drawn at numpy_positions after np.random.seed(seed).
struct NumpyValues {{
  std::uint32_t seed;
  double values[{len(POSITIONS)}];
}};

// clang-format off""")
    table("numpy_uniforms", np.random.random)
    table("numpy_normals", np.random.standard_normal)
    print("""// clang-format on

}  // namespace lockstep::testing""")


if __name__ == "__main__":
    main()
