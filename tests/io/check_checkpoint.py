#!/usr/bin/python3
"""Reads a checkpoint with h5py and recomputes both digests: check_checkpoint.py FILE"""
import hashlib
import sys

import h5py
import numpy as np


def shape_text(shape):
    return "(" + ", ".join(map(str, shape)) + ")"


def add_value(digest, value):
    """As content_digest.hpp describes it."""
    array = np.asarray(value)
    if array.dtype.kind in "OSU":
        digest.update(f"text\n{shape_text(array.shape)}\n".encode())
        for text in array.ravel():
            digest.update((text if isinstance(text, str) else text.decode()).encode() + b"\0")
    else:
        digest.update(f"{array.dtype.name}\n{shape_text(array.shape)}\n".encode() + array.tobytes())


def add_object(digest, item, path):
    digest.update(path.encode() + b"\n")
    for name in sorted(item.attrs, key=str.encode):
        if path != "/" or name != "sha256":
            digest.update(f"@{name}\n".encode())
            value = item.attrs[name]
            add_value(digest, np.empty(0, object) if isinstance(value, h5py.Empty) else value)
    if isinstance(item, h5py.Dataset):
        add_value(digest, item[...])
    else:
        for name in sorted(item, key=str.encode):
            add_object(digest, item[name], path.rstrip("/") + "/" + name)


with h5py.File(sys.argv[1]) as file:
    kernel = file["/parameters/output/kernel"][...]
    assert kernel.shape == (5, 3), kernel.shape
    assert kernel.dtype.name == file["/model"].attrs["precision"]
    assert list(file["/model"].attrs["class_names"]) == ["a", "b", "ç"]
    assert list(file["/optimizer"]) == ["m", "v"]
    assert file["/run"].attrs["step_in_epoch"] == 17

    digest = hashlib.sha256()
    add_object(digest, file, "/")
    assert digest.hexdigest() == file.attrs["sha256"], "content"

    digest = hashlib.sha256()
    layers = [name for name in file["/parameters"] if name != "output"] + ["output"]
    for layer in layers:
        for name in ("kernel", "bias", "activation"):
            if name in file[f"/parameters/{layer}"]:
                digest.update(file[f"/parameters/{layer}/{name}"][...].tobytes())
    assert digest.hexdigest() == file["/run"].attrs["parameters_sha256"], "parameters"
