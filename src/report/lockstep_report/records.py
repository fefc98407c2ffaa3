"""What run and sweep directories hold."""

import csv
import json
import math
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np

from .errors import ReportError


@dataclass
class Run:
    """One run directory, as far as the run has come."""

    path: Path
    config: dict
    config_text: str
    epochs: dict  # column of metrics.csv → array over the rows; NaN where nothing was evaluated
    summary: dict = field(default_factory=dict)
    diagnostics: list = field(default_factory=list)  # rows of diagnostics.csv, numbers but for the layer

    @property
    def depth(self):
        """The number of hidden layers."""
        return len(self.config.get("hidden", []))

    def last(self, column):
        """The value after the last epoch, NaN if there is none."""
        values = self.epochs.get(column, np.array([]))
        return float(values[-1]) if len(values) else math.nan

    @property
    def checkpoint(self):
        """The directory, if it holds a checkpoint: `evaluate` and `predict` take its best, else its last."""
        return self.path if any((self.path / "checkpoints" / name).exists() for name in ("best", "last")) else None

    def first_kernel(self):
        """The (inputs, units) weights of the checkpoint's first layer, and whether it is the output layer."""
        directory = self.path / "checkpoints"
        with h5py.File(directory / ("best" if (directory / "best").exists() else "last"), "r") as file:
            layers = file["parameters"]
            name = "dense_0" if "dense_0" in layers else "output"
            return layers[name]["kernel"][...], name == "output"


@dataclass
class Sweep:
    """A sweep directory: its finished trials as runs, and what became of the others."""

    path: Path
    runs: list
    counts: dict  # status → number of trials
    failures: list  # (trial, message)


def number(text):
    """A cell of a CSV file; NaN if it is blank."""
    return float(text) if text else math.nan


def read_csv(path):
    """Rows as dictionaries of texts. A line that a killed process left unfinished is not there yet."""
    with open(path, newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if None not in row and None not in row.values()]


def read_run(path):
    """A run directory. Throws ReportError."""
    try:
        text = (path / "config.toml").read_text(encoding="utf-8")
        config = tomllib.loads(text)
        if config.get("hidden") == "none":
            config["hidden"] = []
        rows = read_csv(path / "metrics.csv") if (path / "metrics.csv").exists() else []
        epochs = {name: np.array([number(row[name]) for row in rows]) for name in (rows[0] if rows else [])}
        run = Run(path, config, text, epochs)
        if (path / "summary.json").exists():
            run.summary = json.loads((path / "summary.json").read_text(encoding="utf-8"))
        if (path / "diagnostics.csv").exists():
            run.diagnostics = [{key: text if key == "layer" else number(text) for key, text in row.items()}
                               for row in read_csv(path / "diagnostics.csv")]
    except (OSError, ValueError, KeyError) as error:
        raise ReportError(f"{path}: expected a run directory that can be read, found: {error}") from error
    if not isinstance(run.config.get("hidden", []), list):
        raise ReportError(f"{path}/config.toml: expected a resolved config, found hidden = {config['hidden']!r}")
    return run


def read_sweep(path):
    """A sweep directory. Trials that came to the same run are one run. Throws ReportError."""
    try:
        rows = read_csv(path / "sweep.csv")
        counts, failures, runs, seen = {}, [], [], set()
        for row in rows:
            counts[row["status"]] = counts.get(row["status"], 0) + 1
            if row["status"] == "failed":
                failures.append((row["trial"], row["message"]))
            directory = path / "trials" / Path(row["run_dir"]).name  # the sweep may have been moved
            if row["status"] == "finished" and directory not in seen:
                seen.add(directory)
                runs.append(read_run(directory))
    except (OSError, KeyError, UnicodeDecodeError) as error:
        raise ReportError(f"{path}/sweep.csv: expected the table of a sweep, found: {error}") from error
    return Sweep(path, runs, counts, failures)


def read_sources(paths):
    """(runs, sweeps) of the directories that the user names. Throws ReportError."""
    runs, sweeps, seen = [], [], set()
    for text in paths:
        path = Path(text)
        if path.resolve() in seen:
            continue
        seen.add(path.resolve())
        if (path / "sweep.csv").is_file():
            sweeps.append(read_sweep(path))
            runs.extend(sweeps[-1].runs)
        elif (path / "config.toml").is_file():
            runs.append(read_run(path))
        else:
            what = "found neither" if path.is_dir() else "found no such directory"
            raise ReportError(f"{text}: expected a run directory (with config.toml) or a sweep directory (with "
                              f"sweep.csv), {what}")
    if not any(len(run.epochs.get("epoch", [])) for run in runs):
        raise ReportError(f"{', '.join(map(str, paths))}: expected at least one run with a finished epoch, found none")
    return [run for run in runs if len(run.epochs.get("epoch", []))], sweeps
