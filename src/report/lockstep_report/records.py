"""What run and sweep directories hold."""

import collections
import contextlib
import csv
import json
import math
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np

from .errors import ReportError

FINISHED, FAILED, NOT_ENDED = "finished", "failed", "not ended"
GOES_ON = {"waiting", "running", "stopped"}  # of a sweep's trials
# Keys that cannot change a result, or that a mean is taken over.
NO_DIFFERENCE = {"seed", "run_dir", "resume", "checkpoint_every", "keep_checkpoints", "evaluator", "progress", "quiet",
                 "log_level", "diagnostics", "transport", "max_seconds", "stall_timeout", "verify_every"}


@dataclass
class Run:
    """One run directory, as far as the run has come."""

    path: Path
    config: dict
    config_text: str
    epochs: dict  # column of metrics.csv → array over the rows; NaN where nothing was evaluated
    status: str  # as summary.json or the table of a sweep has it
    summary: dict = field(default_factory=dict)
    diagnostics: list = field(default_factory=list)  # rows of diagnostics.csv, numbers but for the layer
    sweep: Path | None = None  # the directory of the sweep that it is a trial of
    cell: tuple = ()  # of a trial, as cell_of has it

    @property
    def has_epochs(self):
        return len(self.epochs.get("epoch", [])) > 0

    @property
    def depth(self):
        """The number of hidden layers."""
        return len(self.config.get("hidden", []))

    def last(self, column):
        """The value after the last epoch, NaN if there is none."""
        values = self.epochs.get(column, np.array([]))
        return float(values[-1]) if len(values) else math.nan

    @property
    def reason(self):
        """Why the run ended as it did, as far as its summary says."""
        return " ".join(str(self.summary.get("reason", "")).split()) or "no reason is known"

    @property
    def checkpoint(self):
        """The directory, if it holds a checkpoint: `evaluate` and `predict` take its best, else its last."""
        return self.path if any((self.path / "checkpoints" / name).exists() for name in ("best", "last")) else None

    def first_kernel(self):
        """The (inputs, units) weights of the checkpoint's first layer, and whether it is the output layer."""
        path = self.path / "checkpoints" / "best"
        if not path.exists():
            path = path.with_name("last")
        with reading(path, "a checkpoint"), h5py.File(path, "r") as file:
            layers = file["parameters"]
            name = "dense_0" if "dense_0" in layers else "output"
            return layers[name]["kernel"][...], name == "output"


@dataclass
class Sweep:
    """A sweep directory: its trials as runs, whatever became of them."""

    path: Path
    runs: list
    counts: dict  # status → number of trials
    failures: list  # (trial, its settings ((axis, text), …), message)
    settings_without_config: dict  # cell, as cell_of has it, of which no trial has a config → [status]
    outdated: int  # trials whose status in sweep.csv is not what they are now


@contextlib.contextmanager
def reading(path, what):
    """Turns what goes wrong in the block into a ReportError that names the file."""
    try:
        yield
    except (OSError, ValueError, KeyError, csv.Error) as error:
        found = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise ReportError(f"{path}: expected {what}, found: {found}") from error


def number(text):
    """A cell of a CSV file; NaN if it is blank."""
    return float(text) if text else math.nan


def read_csv(path, columns=()):
    """Rows as dictionaries of texts, with these columns at least. A line that a killed process left unfinished is not
    there yet."""
    with open(path, newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        rows = [row for row in reader if None not in row and None not in row.values()]
    header = reader.fieldnames or columns  # a run that has just begun may have none
    missing = [column for column in columns if column not in header]
    if missing:
        raise ValueError(f"no column {missing[0]}")
    return rows


def read_config(path):
    """(text, config) of a run's config.toml. Throws ReportError."""
    with reading(path, "the resolved config of a run"):
        text = path.read_text(encoding="utf-8")
        config = tomllib.loads(text)
        if "hidden" not in config:
            raise ValueError("no key hidden")
    if config["hidden"] == "none":
        config["hidden"] = []
    for key in ("hidden", "activation", "init"):
        if not isinstance(config.get(key, []), list):
            raise ReportError(f"{path}: expected the resolved config of a run, found {key} = {config[key]!r}")
    return text, config


def read_epochs(path):
    """Column of metrics.csv → array. Throws ReportError."""
    with reading(path, "a table of epochs"):
        rows = read_csv(path, ["epoch"]) if path.exists() else []
        return {name: np.array([number(row[name]) for row in rows]) for name in (rows[0] if rows else [])}


def read_summary(path):
    """What has a value, {} where there is no file yet. Throws ReportError."""
    with reading(path, "the summary of a run"):
        summary = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        if not isinstance(summary, dict):
            raise ValueError(f"a JSON {type(summary).__name__}")
    return {key: value for key, value in summary.items() if value is not None}


def read_diagnostics(path):
    """Rows of diagnostics.csv, [] where there is none. Throws ReportError."""
    columns = ["epoch", "step", "layer", "gradient_norm", "dead_units", "saturated_units"]
    with reading(path, "a table of diagnostics"):
        rows = read_csv(path, columns) if path.exists() else []
        return [{key: text if key == "layer" else number(text) for key, text in row.items()} for row in rows]


def read_run(path, status=None):
    """A run directory. `status`: what a sweep says of it. Throws ReportError."""
    text, config = read_config(path / "config.toml")
    summary = read_summary(path / "summary.json")
    return Run(path, config, text, read_epochs(path / "metrics.csv"),
               status or str(summary.get("status", NOT_ENDED)), summary, read_diagnostics(path / "diagnostics.csv"))


def settings_of(row):
    """The axes of a trial and their texts: in a row of sweep.csv what stands between "rank" and "parameters"
    (trial_table in src/sweep/summary.cpp)."""
    columns = list(row)
    axes = columns[columns.index("rank") + 1:columns.index("parameters")]
    return tuple((axis, row[axis]) for axis in axes)


def cell_of(row):
    """The axes of a trial, but those that cannot change a result or that means are taken over."""
    return tuple((axis, text) for axis, text in settings_of(row) if axis not in NO_DIFFERENCE)


def read_record(path):
    """A trial's record in the ledger of its sweep; {} where there is none that can be read, as sweeps take it."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return record if isinstance(record["status"], str) and isinstance(record["message"], str) else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def as_it_is_now(path, row):
    """A row of sweep.csv with the status and message that the trial has by now: a sweep writes the table from its
    ledger when a job ends, so it is older while one runs and after one was killed. Throws ReportError."""
    directory = path / "trials" / Path(row["run_dir"]).name
    record = read_record(path / "ledger" / f"{directory.name}.json")
    now = row | {key: record[key] for key in ("status", "message") if record}
    summary = read_summary(directory / "summary.json")
    status = summary.get("status")
    # A run writes its summary before the ledger has it. One that failed may be in its next attempt.
    if now["status"] in GOES_ON and (status == FINISHED or (status == FAILED and not record)):
        now |= {"status": status, "message": str(summary.get("reason", ""))}
    return now


def read_trials(path, rows):
    """(runs, settings without config) of a sweep. A trial without a config, as it never began, counts to the setting of
    its cell; settings without config: cell → [status] where no trial of the cell has one. Throws ReportError."""
    runs, seen, configs, without = [], {}, {}, {}
    for row in rows:
        directory = path / "trials" / Path(row["run_dir"]).name  # the sweep may have been moved
        if directory not in seen:
            begun = row["status"] == FINISHED or (directory / "config.toml").exists()
            seen[directory] = read_run(directory, row["status"]) if begun else None
            if begun:
                seen[directory].sweep, seen[directory].cell = path, cell_of(row)
                runs.append(seen[directory])
            else:
                without.setdefault(cell_of(row), []).append((directory, row["status"]))
        if seen[directory]:
            configs[cell_of(row)] = seen[directory].config
    for cell in [cell for cell in without if cell in configs]:
        runs += [Run(directory, configs[cell], "", {}, status, sweep=path, cell=cell)
                 for directory, status in without.pop(cell)]
    return runs, {cell: [status for _, status in trials] for cell, trials in without.items()}


def read_sweep(path):
    """A sweep directory. Trials that came to the same run are one run. Throws ReportError."""
    with reading(path / "sweep.csv", "the table of a sweep"):
        table = read_csv(path / "sweep.csv", ["trial", "status", "rank", "parameters", "run_dir", "message"])
        if not table:
            raise ValueError("no trials")
    rows = [as_it_is_now(path, row) for row in table]
    outdated = sum(row["status"] != written["status"] for row, written in zip(rows, table))
    runs, settings_without_config = read_trials(path, rows)
    failures = [(row["trial"], settings_of(row), row["message"]) for row in rows if row["status"] == FAILED]
    return Sweep(path, runs, collections.Counter(row["status"] for row in rows), failures, settings_without_config,
                 outdated)


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
            what = ("found neither" if path.is_dir() else "found a file" if path.exists()
                    else "found no such directory")
            raise ReportError(f"{text}: expected a run directory (with config.toml) or a sweep directory (with "
                              f"sweep.csv), {what}")
    if not any(run.has_epochs for run in runs):
        reasons = [f"{run.path} failed: {run.reason}" for run in runs if run.sweep is None and run.status == FAILED]
        reasons += [f"trial {trial} of {sweep.path} failed: {message}"
                    for sweep in sweeps for trial, _, message in sweep.failures]
        more = f" (and {len(reasons) - 1} more failed)" if len(reasons) > 1 else ""
        raise ReportError(f"{', '.join(map(str, paths))}: expected at least one run with a finished epoch, found none"
                          + (f"; {reasons[0]}{more}" if reasons else ""))
    return [run for run in runs if run.has_epochs or run.status != FINISHED], sweeps
