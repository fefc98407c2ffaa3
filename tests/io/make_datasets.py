#!/usr/bin/python3
"""Writes dataset files with h5py: make_datasets.py DIRECTORY. good_*.h5 are in order, the others each have one fault."""
import hashlib
import os
import sys

import h5py
import numpy as np

directory = sys.argv[1]
rng = np.random.default_rng(1)
TRAIN_X = rng.integers(0, 256, (50, 4, 3), dtype=np.uint8)
TEST_X = rng.integers(0, 256, (20, 4, 3), dtype=np.uint8)
TRAIN_Y = (np.arange(50) % 3).astype(np.uint8)
TEST_Y = (np.arange(20) % 3).astype(np.uint8)


def new_file(name, task="classification", classes=("a", "b", "c")):
    file = h5py.File(f"{directory}/{name}.h5", "w")
    file.attrs["format"] = "lockstep-dataset"
    file.attrs["version"] = 1
    file.attrs["task"] = task
    if classes is not None:
        file.attrs["class_names"] = list(classes)
    file.attrs["x_scale"] = 0.5
    file.attrs["source"] = "h5py"
    return file


def add(file, path, array, **options):
    array = np.asarray(array)
    file.create_dataset(path, data=array, **options)
    little = array.astype(array.dtype.newbyteorder("<"))
    file[path].attrs["sha256"] = hashlib.sha256(little.tobytes()).hexdigest()


def dataset(name, train_x=TRAIN_X, train_y=TRAIN_Y, test_x=TEST_X, test_y=TEST_Y, options={}, **attributes):
    """A file of these arrays; None leaves one out."""
    file = new_file(name, **attributes)
    for path, array in (("/train/x", train_x), ("/train/y", train_y), ("/test/x", test_x), ("/test/y", test_y)):
        if array is not None:
            add(file, path, array, **options)
    return file


dataset("good_plain").close()
dataset("good_gzip", options={"compression": "gzip", "shuffle": True, "fletcher32": True}).close()
dataset("good_big_endian_labels", train_y=TRAIN_Y.astype(">i8")).close()
dataset("good_without_test", test_x=None, test_y=None).close()
dataset("good_regression", task="regression", classes=None, train_x=rng.normal(size=(50, 5)),
        train_y=rng.normal(size=(50, 2)), test_x=rng.normal(size=(20, 5)), test_y=rng.normal(size=(20, 2))).close()
dataset("good_binary", task="binary", classes=("no", "yes"), train_y=TRAIN_Y % 2, test_y=TEST_Y % 2).close()
file = dataset("good_fixed_texts")
file.attrs["class_names"] = np.array([b"a", b"b", b"c"], dtype="S3")
file.attrs["format"] = np.bytes_(b"lockstep-dataset")
file.close()
file = dataset("good_without_digests")
for path in ("/train/x", "/train/y", "/test/x", "/test/y"):
    del file[path].attrs["sha256"]
file.close()

dataset("good_empty_names", task="regression", classes=(), train_y=np.zeros((50, 2)), test_y=np.zeros((20, 2))).close()

dataset("no_train_x", train_x=None).close()
dataset("no_train_y", train_y=None).close()
dataset("no_test_y", test_y=None).close()
dataset("x_rank_1", train_x=TRAIN_X[:, 0, 0]).close()
dataset("x_rank_4", train_x=TRAIN_X[:, :, :, None]).close()
dataset("x_int64", train_x=TRAIN_X.astype(np.int64)).close()
dataset("x_text", train_x=np.array([[b"a"]] * 50)).close()
dataset("x_big_endian", train_x=TRAIN_X.astype(">f4")).close()
dataset("x_no_rows", train_x=TRAIN_X[:0], train_y=TRAIN_Y[:0]).close()
dataset("y_float", train_y=TRAIN_Y.astype(np.float32)).close()
dataset("y_rank_2", train_y=TRAIN_Y[:, None]).close()
dataset("lengths_differ", train_y=TRAIN_Y[:49]).close()
dataset("features_differ", test_x=TEST_X[:, :3]).close()
dataset("types_differ", test_x=TEST_X.astype(np.float32)).close()
dataset("one_class", classes=("a",)).close()
dataset("no_class_names", classes=None).close()
file = dataset("latin_1_names")
file.attrs["class_names"] = np.array([b"a", b"b", "ç".encode("latin-1")], dtype="S3")
file.close()
dataset("unknown_task", task="guessing").close()
dataset("targets_differ", task="regression", classes=None, train_y=np.zeros((50, 2)), test_y=np.zeros((20, 3))).close()
dataset("lzf", options={"compression": "lzf"}).close()

for name, attribute, value in (("no_format", "format", None), ("other_format", "format", "photo"),
                               ("new_version", "version", 2), ("text_version", "version", "one"),
                               ("nan_scale", "x_scale", float("nan")), ("zero_scale", "x_scale", 0.0)):
    file = dataset(name)
    if value is None:
        del file.attrs[attribute]
    else:
        file.attrs[attribute] = value
    file.close()

file = dataset("wrong_digest")
file["/train/x"][7, 1, 1] ^= 1
file.close()
file = dataset("bad_digest_text")
file["/train/x"].attrs["sha256"] = "abc"
file.close()

file = dataset("label_too_large")
file["/train/y"][33] = 3
file.close()
dataset("label_negative", train_y=np.where(np.arange(50) == 41, -1, TRAIN_Y).astype(np.int32)).close()
dataset("label_beyond_32_bits", train_y=np.where(np.arange(50) == 5, 2**32 + 1, TRAIN_Y).astype(np.int64)).close()
dataset("binary_two", task="binary", classes=None, train_y=TRAIN_Y, test_y=TEST_Y).close()
for name, value in (("nan", np.nan), ("inf", -np.inf)):
    x = TRAIN_X.astype(np.float32)
    x[44, 2, 1] = value
    dataset(name, train_x=x, test_x=TEST_X.astype(np.float32)).close()
x = TRAIN_X.astype(np.float64)
x[11, 0, 0] = 1e300
dataset("beyond_float32", train_x=x, test_x=TEST_X.astype(np.float64)).close()
y = np.zeros(50)
y[9] = np.nan
dataset("nan_target", task="regression", classes=None, train_y=y, test_y=np.zeros(20)).close()

file = dataset("external_link", train_x=None)
file["/train/x"] = h5py.ExternalLink("good_plain.h5", "/train/x")
file.close()
file = dataset("soft_link", train_x=None)
file["/train/x"] = h5py.SoftLink("/test/x")
file.close()
file = dataset("external_storage", train_x=None)
file.create_dataset("/train/x", (50, 4), dtype="u1", external=[("/etc/passwd", 0, 200)])
file.close()
file = dataset("virtual", train_x=None)
layout = h5py.VirtualLayout((50, 4, 3), dtype="u1")
layout[:] = h5py.VirtualSource("good_plain.h5", "/train/x", (50, 4, 3), dtype="u1")
file.create_virtual_dataset("/train/x", layout)
file.close()
# Whoever opens the file that it names, which its shape depends on, waits for ever.
os.mkfifo(f"{directory}/pipe")
file = dataset("virtual_unlimited", train_x=None)
layout = h5py.VirtualLayout((50, 4, 3), dtype="u1", maxshape=(None, 4, 3))
source = h5py.VirtualSource(f"{directory}/pipe", "/train/x", (50, 4, 3), dtype="u1", maxshape=(None, 4, 3))
layout[:h5py.h5s.UNLIMITED] = source[:h5py.h5s.UNLIMITED]
file.create_virtual_dataset("/train/x", layout)
file.close()
file = dataset("group_for_array", train_x=None)
file.create_group("/train/x")
file.close()
file = dataset("never_written", train_x=None, train_y=None)
file.create_dataset("/train/x", (2**30, 1000), dtype="u1", chunks=(1, 1000))
file.create_dataset("/train/y", (2**30,), dtype="u1", chunks=(1000,))
file.close()
file = dataset("overflow", train_x=None, train_y=None)
file.create_dataset("/train/x", (2**61, 2**3), dtype="f8", chunks=(1, 1))
file.create_dataset("/train/y", (2**61,), dtype="u1", chunks=(1,))
file.close()
# Of 2^46 numbers one chunk is there.
file = dataset("mostly_never_written", train_x=None, train_y=None)
file.create_dataset("/train/x", (2**36, 1000), dtype="u1", chunks=(1, 1000))[0] = 1
file.create_dataset("/train/y", (2**36,), dtype="u1", chunks=(1000,))[0] = 1
file.close()
# A sparse file: its size says that everything is there.
file = dataset("more_than_memory", train_x=None, train_y=None, test_x=None, test_y=None)
file.create_dataset("/train/x", (2**40, 4), dtype="u1")[-1] = 1
file.create_dataset("/train/y", (2**40,), dtype="u1")[-1] = 1
file.close()
