"""Runs that nobody trained, for the tests of src/report."""

import pathlib

import numpy as np

from lockstep_report import records


def made_run(accuracy, status=records.FINISHED, **config):
    """A run that ended with a test accuracy, or one without a single epoch (None)."""
    config = {"hidden": [8], "activation": ["relu"], "init": ["he_uniform", "glorot_uniform"], "seed": 1,
              "optimizer": "adam", **config}
    epochs = {"epoch": np.array([1.0, 2.0]), "test_accuracy": np.array([0.5, accuracy])} if accuracy is not None else {}
    return records.Run(pathlib.Path(f"run-{config['seed']}"), config, "", epochs, status)


def made_runs(activation, values, **config):
    """One run a seed; of the values None stands for a run that failed in its first epoch."""
    return [made_run(value, records.FINISHED if value is not None else records.FAILED, activation=[activation],
                     seed=seed, **config) for seed, value in enumerate(values, 1)]


def complete_runs_by_rate():
    """Two activations, three learning rates, two seeds."""
    return [run for name in ("relu", "tanh") for rate in (0.1, 0.5, 1)
            for run in made_runs(name, [0.5, 0.4], learning_rate=rate)]


def failing_runs_by_rate():
    """The same, but of relu one run failed at 0.5 and both at 1."""
    values = {0.1: [0.9, 0.8], 0.5: [0.7, None], 1: [None, None]}
    relu = [run for rate in values for run in made_runs("relu", values[rate], learning_rate=rate)]
    return relu + [run for rate in values for run in made_runs("tanh", [0.6, 0.4], learning_rate=rate)]
