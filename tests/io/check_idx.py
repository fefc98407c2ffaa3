#!/usr/bin/python3
"""Compares a dataset file with the IDX files it was made from: check_idx.py DIRECTORY FILE"""
import glob
import gzip
import hashlib
import sys

import h5py
import numpy as np

directory, path = sys.argv[1:]


def idx(pattern):
    name = sorted(glob.glob(f"{directory}/{pattern}"))[0]
    data = (gzip.open if name.endswith(".gz") else open)(name, "rb").read()
    rank = data[3]
    shape = np.frombuffer(data, ">u4", rank, 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(shape)


with h5py.File(path) as file:
    assert file.attrs["format"] == "lockstep-dataset" and file.attrs["version"] == 1
    assert file.attrs["task"] == "classification" and file.attrs["x_scale"] == 1 / 255
    assert list(file.attrs["class_names"]) == [str(i) for i in range(len(file.attrs["class_names"]))]
    for split, stem in (("train", "train"), ("test", "t10k")):
        for name, kind in (("x", "images"), ("y", "labels")):
            array = file[f"/{split}/{name}"]
            assert np.array_equal(array, idx(f"{stem}-{kind}*"))
            assert array.attrs["sha256"] == hashlib.sha256(array[...].tobytes()).hexdigest()
