#!/usr/bin/python3
"""Writes HDF5 files that are no dataset files yet: make_sources.py DIRECTORY"""
import sys

import h5py
import numpy as np

directory = sys.argv[1]
rng = np.random.default_rng(2)

with h5py.File(f"{directory}/keras.h5", "w") as file:
    file.create_dataset("x_train", data=rng.integers(0, 256, (30, 3, 2), dtype=np.uint8), compression="gzip")
    file["y_train"] = (np.arange(30) % 4).astype(np.int64)[:, None]
    file["x_test"] = rng.integers(0, 256, (10, 3, 2), dtype=np.uint8)
    file["y_test"] = (np.arange(10) % 4).astype(np.int64)[:, None]

with h5py.File(f"{directory}/plain.h5", "w") as file:
    file["train/x"] = rng.normal(size=(8, 3)).astype(np.float32)
    file["train/y"] = np.arange(8) % 2
    file["test/x"] = rng.normal(size=(4, 3)).astype(np.float32)
    file["test/y"] = np.arange(4) % 2
    file.attrs["class_names"] = ["low", "high"]
    file.attrs["x_scale"] = 0.25
    file.attrs["task"] = "classification"

with h5py.File(f"{directory}/types.h5", "w") as file:
    numbers = np.array([[0, 1], [2, 3], [4, 5]])
    for name, kind in (("i1", "i1"), ("i2", "i2"), ("i4", "i4"), ("u8", "u8"), ("f2", "f2"), ("f4be", ">f4"), ("f8", "f8")):
        file[name] = numbers.astype(kind)
    file["y"] = np.array([0.5, 1.5, 2.5])

with h5py.File(f"{directory}/bad.h5", "w") as file:
    x = np.zeros((6, 2))
    x[3, 1] = np.nan
    file["train/x"] = x
    file["train/y"] = np.arange(6) % 2
    file["test/x"] = np.zeros((4, 2))
    file["test/y"] = np.arange(4) % 2
    file["short"] = np.zeros((4, 2))
    file["fraction"] = np.array([0, 1, 0.5, 1, 0, 1])
    file["minus"] = np.array([0, -1, 0, 1, 0, 1])
    file["large"] = np.array([0, 1, 0, 1, 1_000_000, 1])
    file["no_rows"] = np.zeros((0, 2))

# Sparse files: more than any memory.
with h5py.File(f"{directory}/rows.h5", "w") as file:
    for name in ("train/x", "train/y"):
        file.create_dataset(name, (2**40, 1), dtype="u1")[-1] = 1
with h5py.File(f"{directory}/row.h5", "w") as file:
    file.create_dataset("train/x", (2, 2**41), dtype="u1")[-1, -1] = 1
    file["train/y"] = np.arange(2)
