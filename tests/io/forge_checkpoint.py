#!/usr/bin/python3
"""Replaces an array of a checkpoint by one that promises 2^60 numbers: forge_checkpoint.py FILE"""
import sys

import h5py

with h5py.File(sys.argv[1], "r+") as file:
    del file["/run/shard_rows"]
    file.create_dataset("/run/shard_rows", (2**57,), dtype="i8", chunks=(8,))[0] = 1
