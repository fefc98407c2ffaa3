"""Datasets of the experiments `outputs` and `plane`, made from a seed: data.py DIRECTORY.

  regression.h5   y = sin(3 x1) + x2² + noise (standard deviation 0.1), x uniform in [-1, 1]²
  binary.h5       inside or outside a circle of radius 0.8, one point in twenty on the wrong side
  classes.h5      three arms of a spiral
  plane.h5        two moons
"""

import hashlib
import pathlib
import sys

import h5py
import numpy as np

SEED = 2026
ROWS, TEST_ROWS = 1200, 600


def regression(random, rows):
    x = random.uniform(-1, 1, (rows, 2))
    return x, np.sin(3 * x[:, 0]) + x[:, 1] ** 2 + 0.1 * random.normal(size=rows)


def binary(random, rows):
    x = random.uniform(-1.2, 1.2, (rows, 2))
    inside = np.hypot(*x.T) < 0.8
    return x, (inside ^ (random.uniform(size=rows) < 0.05)).astype(np.uint8)


def classes(random, rows):
    y = random.integers(0, 3, rows)
    radius = random.uniform(0.1, 1, rows)
    angle = 4 * radius + 2 * np.pi / 3 * y + 0.15 * random.normal(size=rows)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1), y.astype(np.uint8)


def moons(random, rows):
    y = random.integers(0, 2, rows)
    angle = np.pi * random.uniform(size=rows)
    x = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    x[y == 1] = [1, 0.5] - x[y == 1]
    return x + 0.12 * random.normal(size=(rows, 2)), y.astype(np.uint8)


def write(path, make, task, class_names=None):
    random = np.random.default_rng(SEED)
    with h5py.File(path, "w") as file:
        for split, rows in (("train", ROWS), ("test", TEST_ROWS)):
            for name, array in zip("xy", make(random, rows)):
                array = array if array.dtype == np.uint8 else array.astype(np.float32)
                file[f"{split}/{name}"] = array
                file[f"{split}/{name}"].attrs["sha256"] = hashlib.sha256(array.tobytes()).hexdigest()
        file.attrs.update({"format": "lockstep-dataset", "version": 1, "task": task, "x_scale": 1.0,
                           "source": f"scripts/experiments/data.py, seed {SEED}"})
        if class_names:
            file.attrs["class_names"] = class_names


def main(directory):
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    write(directory / "regression.h5", regression, "regression")
    write(directory / "binary.h5", binary, "binary", ["outside", "inside"])
    write(directory / "classes.h5", classes, "classification", ["first arm", "second arm", "third arm"])
    write(directory / "plane.h5", moons, "binary", ["upper moon", "lower moon"])


if __name__ == "__main__":
    main(sys.argv[1])
