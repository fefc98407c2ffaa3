"""What only the network or its activations can tell comes from the lockstep program itself."""

import csv
import json
import math
import os
import re
import subprocess
import tempfile
from pathlib import Path

import h5py
import numpy as np

from .errors import ReportError

# What mpirun or srun may have told the report: the program would take itself for that rank, which starts only once.
RANK_VARIABLES = ("OMPI_COMM_WORLD_", "OMPI_MCA_ess", "OMPI_MCA_orte", "OMPI_MCA_pmix", "PMI_", "PMIX_NAMESPACE",
                  "PMIX_RANK", "PMIX_SERVER")


class Program:
    """The lockstep program, run as one process without mpirun."""

    def __init__(self, path):
        self.path = path

    def run(self, *arguments):
        """Its standard output. Throws ReportError with its message."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith(RANK_VARIABLES)}
        try:
            done = subprocess.run([self.path, *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True,
                                  text=True, env=environment, check=False)
        except OSError as error:
            raise ReportError(f"{self.path}: cannot be run: {error}") from error
        if done.returncode != 0:
            lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
            raise ReportError(lines[-1])
        return done.stdout

    def dataset_digest(self, path):
        """Of all that results depend on; empty if the file has none."""
        return json.loads(self.run("inspect", path, "--format", "json")).get("sha256_all", "")

    def evaluate(self, run_dir, data, limit="all"):
        """What `evaluate --format json` says of the test split."""
        return json.loads(self.run("evaluate", "--checkpoint", run_dir, "--data", data, "--limit", limit,
                                   "--format", "json"))

    def predict(self, run_dir, x, layers=False):
        """(predictions (N, K), outputs of the hidden layers [(N, width)] if asked for) of the rows x, as a dataset
        holds them."""
        with tempfile.TemporaryDirectory() as directory:
            rows, output = Path(directory, "rows.h5"), Path(directory, "predictions.h5")
            try:
                with h5py.File(rows, "w") as file:
                    file["x"] = x
            except (OSError, RuntimeError) as error:
                reason = re.search("error message = '([^']*)'", str(error))
                raise OSError(f"{rows}: cannot be written: {reason[1] if reason else error}") from error
            self.run("predict", "--checkpoint", run_dir, "--input", rows, "--output", output,
                     *(["--layers"] if layers else []))
            with h5py.File(output, "r") as file:
                predictions = (file["probabilities"] if "probabilities" in file else file["values"])[...]
                hidden = file["layers"] if "layers" in file else {}
                return predictions, [hidden[name][...] for name in sorted(hidden, key=lambda name: (len(name), name))]

    def activation_curves(self, activations):
        """[(x, f(x), f'(x))] of activations or formulas."""
        with tempfile.TemporaryDirectory() as directory:
            table = Path(directory, "table.csv")
            self.run("activations", "--table", table, *activations)
            with open(table, newline="", encoding="utf-8") as file:
                rows = np.array([[float(cell) for cell in row] for row in list(csv.reader(file))[1:]])
        return [rows[rows[:, 0] == number, 1:].T for number in range(len(activations))]


class Dataset:
    """A dataset file as docs/formats.md describes it."""

    def __init__(self, path):
        """Throws ReportError if it is none."""
        self.path = str(path)
        if not Path(path).is_file():
            raise ReportError(f"{path}: expected a dataset file, found none")
        try:
            with h5py.File(path, "r") as file:
                self.task = file.attrs["task"]
                self.task = self.task.decode() if isinstance(self.task, bytes) else str(self.task)
                names = file.attrs.get("class_names", [])
                self.class_names = [name.decode() if isinstance(name, bytes) else str(name) for name in names]
                self.has_test = "test/x" in file
                self.shape = file["train/x"].shape[1:]
        except (OSError, KeyError) as error:
            raise ReportError(f"{path}: expected a dataset file, found: {error}") from error

    @property
    def features(self):
        return math.prod(self.shape)

    @property
    def image_shape(self):
        """(H, W) if rows are images: as they are stored, or a square number of at least 64 features."""
        if len(self.shape) == 2:
            return self.shape
        side = round(self.shape[0] ** 0.5)
        return (side, side) if side * side == self.shape[0] and side >= 8 else None

    def rows(self, split, limit=None):
        """(x, y) of the first rows."""
        with h5py.File(self.path, "r") as file:
            return file[f"{split}/x"][:limit], file[f"{split}/y"][:limit]

    def class_name(self, number):
        return self.class_names[number] if number < len(self.class_names) else str(number)


def find_dataset(run, chosen, features):
    """The dataset of a run, or the one `chosen` by the user in its place. Throws ReportError if it is none, or has not
    the `features` of the run."""
    path = chosen or run.summary.get("dataset", {}).get("path") or run.config.get("data", "")
    data = Dataset(path)
    if features not in (None, data.features):
        raise ReportError(f"{path}: expected rows of {features} numbers, as {run.path} was trained on, found "
                          f"{data.features}")
    return data
