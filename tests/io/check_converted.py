#!/usr/bin/python3
"""Compares a dataset file with the arrays x_train … of the file it was made from: check_converted.py SOURCE FILE"""
import hashlib
import sys

import h5py
import numpy as np

with h5py.File(sys.argv[1]) as source, h5py.File(sys.argv[2]) as file:
    for split in ("train", "test"):
        assert np.array_equal(file[f"{split}/x"], source[f"x_{split}"])
        assert np.array_equal(file[f"{split}/y"], source[f"y_{split}"][...].ravel())
        for name in ("x", "y"):
            array = file[f"{split}/{name}"]
            assert array.chunks is None
            assert array.attrs["sha256"] == hashlib.sha256(array[...].tobytes()).hexdigest()
