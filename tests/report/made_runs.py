"""Runs that nobody trained, for the tests of src/report."""

import pathlib

import numpy as np

from lockstep_report import records


def made_run(accuracy, **config):
    """A run that ended with a test accuracy."""
    config = {"hidden": [8], "activation": ["relu"], "init": ["he_uniform", "glorot_uniform"], "seed": 1,
              "optimizer": "adam", **config}
    epochs = {"epoch": np.array([1.0, 2.0]), "test_accuracy": np.array([0.5, accuracy])}
    return records.Run(pathlib.Path(f"run-{config['seed']}"), config, "", epochs)
