"""MNIST from the dataset file that lockstep trains on."""

import h5py
import numpy


def load(path, split="train", rows=None, dtype=numpy.float32):
    """(images (rows, 784) scaled to [0, 1], labels (rows,) int64)"""
    with h5py.File(path) as file:
        images = file[f"{split}/x"][:rows]
        labels = file[f"{split}/y"][:rows].astype(numpy.int64)
        scale = float(file.attrs["x_scale"])
    return images.reshape(len(images), -1).astype(dtype) * dtype(scale), labels
