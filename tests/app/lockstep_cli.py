"""What the tests of the program share: running it on some ranks, making datasets, reading what a run wrote.

CTest sets LOCKSTEP_BINARY and MPIEXEC. MNIST_DIR, where set, holds MNIST's four IDX files.
"""

import contextlib
import csv
import hashlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import unittest

import h5py
import numpy as np

BINARY = os.environ.get("LOCKSTEP_BINARY", "lockstep")
MPIEXEC = os.environ.get("MPIEXEC", "mpirun")
MNIST_DIR = os.environ.get("MNIST_DIR")
SLOWDOWN = int(os.environ.get("LOCKSTEP_SLOWDOWN", "1"))  # how many times as long sanitizers may take

USER_ERROR, RESUMABLE = 2, 75


def command(arguments, ranks=1, launcher=None):
    """The command line; one rank is started without mpirun unless `launcher` says otherwise. A list is the
    launcher's own command line."""
    program = [BINARY, *map(str, arguments)]
    if isinstance(launcher, list):
        return [*launcher, *program]
    if not (ranks > 1 if launcher is None else launcher):
        return program
    return [*mpirun(ranks), *program]


def mpirun(ranks):
    return [MPIEXEC, "-n", str(ranks), "--oversubscribe", "--bind-to", "none", "--mca", "mpi_yield_when_idle", "1"]


def bound_by_permissions(ranks):
    """A launcher under which not even root may use files without permission."""
    drop = [] if os.geteuid() else ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
    return [*drop, *(mpirun(ranks) if ranks > 1 else [])]


def environment(**changes):
    result = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", PMIX_MCA_gds="hash")
    result.update(changes)
    return result


class Result:
    def __init__(self, arguments, ranks, status, out, err):
        self.arguments, self.ranks, self.status, self.out, self.err = arguments, ranks, status, out, err

    def __str__(self):
        line = " ".join(map(str, self.arguments))
        return f"lockstep {line}\non {self.ranks} ranks: exit status {self.status}\n{self.out}\n{self.err}"

    def json(self):
        return json.loads(self.out)


def start(*arguments, ranks=1, launcher=None, cwd=None, env=None):
    """A process that goes on in the background, in its own process group."""
    return subprocess.Popen(command(arguments, ranks, launcher), cwd=cwd, env=environment(**(env or {})), text=True,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            start_new_session=True)


def finish(process, arguments=(), ranks=1, timeout=120):
    """Waits for it. Kills it and all below it if it hangs."""
    try:
        out, err = process.communicate(timeout=timeout * SLOWDOWN)
    except subprocess.TimeoutExpired:
        for pid in [process.pid, *descendants(process.pid)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        out, err = process.communicate()
        raise AssertionError(f"hung for {timeout * SLOWDOWN} s: {Result(arguments, ranks, None, out, err)}") from None
    return Result(arguments, ranks, process.returncode, out, err)


def run(*arguments, ranks=1, timeout=120, launcher=None, cwd=None, env=None):
    return finish(start(*arguments, ranks=ranks, launcher=launcher, cwd=cwd, env=env), arguments, ranks, timeout)


def run_well(*arguments, **options):
    """run() of what has to succeed."""
    result = run(*arguments, **options)
    if result.status != 0:
        raise AssertionError(str(result))
    return result


def error_lines(text):
    """The error messages of lockstep itself; mpirun adds lines of its own."""
    return [line for line in text.splitlines() if re.match(r"lockstep( \w+)?: (error|rank \d+)", line)]


def descendants(ancestor, name=None):
    """Ids of the processes below one, those called `name` if it is given."""
    children, names = {}, {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            before, after = stat.read_text().rsplit(")", 1)
        except OSError:
            continue
        pid = int(stat.parent.name)
        names[pid] = before.split("(", 1)[1]
        children.setdefault(int(after.split()[1]), []).append(pid)
    below = list(children.get(ancestor, []))
    for pid in below:
        below.extend(children.get(pid, []))
    return [pid for pid in below if name in (None, names[pid])]


def rank_processes(launcher):
    """Process ids of the ranks below a started mpirun, or below `launch`; not of their own children, which try files."""
    found = descendants(launcher.pid, "lockstep")
    return [pid for pid in found if parent_of(pid) not in found]


def parent_of(pid):
    """None if the process has ended."""
    try:
        return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except OSError:
        return None


def other_build(path):
    """Makes a copy of the program at `path` that says to be another build. Returns both build ids."""
    notes = subprocess.run(["readelf", "--notes", BINARY], capture_output=True, text=True, check=True).stdout
    build = bytes.fromhex(re.search(r"Build ID: ([0-9a-f]+)", notes)[1])
    content = pathlib.Path(BINARY).read_bytes()
    assert content.count(build) == 1
    other = bytes(len(build))
    path.write_bytes(content.replace(build, other))
    path.chmod(0o755)
    return build.hex(), other.hex()


# Datasets


def write_dataset(path, train_x, train_y, test_x=None, test_y=None, task="classification", class_names=None,
                  x_scale=None):
    """A dataset file as design section 3 describes it, written without lockstep."""
    arrays = {"/train/x": train_x, "/train/y": train_y}
    if test_x is not None:
        arrays.update({"/test/x": test_x, "/test/y": test_y})
    if class_names is None and task == "classification":
        class_names = [str(i) for i in range(int(np.max(train_y)) + 1)]
    with h5py.File(path, "w") as file:
        file.attrs["format"] = "lockstep-dataset"
        file.attrs["version"] = 1
        file.attrs["task"] = task
        if class_names:
            file.attrs["class_names"] = class_names
        file.attrs["x_scale"] = (1 / 255 if train_x.dtype == np.uint8 else 1.0) if x_scale is None else x_scale
        file.attrs["source"] = "a test"
        for name, array in arrays.items():
            file[name] = array
            file[name].attrs["sha256"] = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def synthetic_classes(rows, shape, classes, seed, dtype=np.uint8):
    """Noisy class patterns: something that can be learnt, but not at once."""
    pattern = np.random.default_rng(7).uniform(0, 1, (classes, *shape))
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, rows)
    x = 0.6 * pattern[y] + 0.4 * rng.uniform(0, 1, (rows, *shape))
    if dtype == np.uint8:
        return (255 * x).astype(np.uint8), y.astype(np.uint8)
    return (2 * x - 1).astype(dtype), y.astype(np.uint8)


def write_classification(path, rows=200, test_rows=70, shape=(6, 5), classes=4, dtype=np.uint8, zeros=0.0):
    """`zeros`: the share of x that is set to zero."""
    arrays = [*synthetic_classes(rows, shape, classes, 1, dtype), *synthetic_classes(test_rows, shape, classes, 2, dtype)]
    for x in arrays[::2]:
        x[np.random.default_rng(3).uniform(0, 1, x.shape) < zeros] = 0
    write_dataset(path, *arrays)


def write_binary(path, rows=150, test_rows=60, features=9):
    x, y = synthetic_classes(rows, (features,), 2, 1, np.float32)
    test_x, test_y = synthetic_classes(test_rows, (features,), 2, 2, np.float32)
    write_dataset(path, x, y, test_x, test_y, task="binary", class_names=["no", "yes"])


def write_regression(path, rows=150, test_rows=60, features=7, outputs=2):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(rows + test_rows, features))
    y = np.tanh(x @ rng.normal(size=(features, outputs))) + 0.1 * rng.normal(size=(rows + test_rows, outputs))
    write_dataset(path, x[:rows], y[:rows], x[rows:], y[rows:], task="regression")


def idx_bytes(array):
    """A NumPy array of bytes in MNIST's format."""
    header = bytes([0, 0, 8, array.ndim]) + b"".join(int(n).to_bytes(4, "big") for n in array.shape)
    return header + array.astype(np.uint8).tobytes()


def write_mnist(path):
    """MNIST as a dataset file."""
    run_well("convert", "--idx-dir", MNIST_DIR, "--output", path)


# What a run wrote


def summary(run_dir):
    return json.loads(pathlib.Path(run_dir, "summary.json").read_text())


def parameters_sha256(run_dir):
    return summary(run_dir)["parameters_sha256"]


def metrics(run_dir):
    """The rows of metrics.csv, as texts by column."""
    with open(pathlib.Path(run_dir, "metrics.csv"), newline="") as file:
        return list(csv.DictReader(file))


def metrics_without_times(run_dir):
    """What has to be equal whenever two runs are the same."""
    return [{key: text for key, text in row.items() if key not in ("seconds", "samples_per_second")}
            for row in metrics(run_dir)]


def checkpoint_layers(path):
    """[(kernel, bias)] of a checkpoint, from the input to the output."""
    with h5py.File(path, "r") as file:
        layers = file["parameters"]
        return [(layers[name]["kernel"][...], layers[name]["bias"][...]) for name in layers]


def sha256_of_layers(layers):
    """parameters_sha256 as the documentation defines it."""
    digest = hashlib.sha256()
    for kernel, bias in layers:
        digest.update(np.ascontiguousarray(kernel).tobytes())
        digest.update(np.ascontiguousarray(bias).tobytes())
    return digest.hexdigest()


def sha256_of_checkpoint(path):
    """The same from a checkpoint, with what activations train."""
    digest = hashlib.sha256()
    with h5py.File(path, "r") as file:
        for layer in file["parameters"].values():
            for name in ("kernel", "bias", "activation"):
                if name in layer:
                    digest.update(layer[name][...].tobytes())
    return digest.hexdigest()


def step_checkpoints(run_dir):
    """Paths of the step-*.h5 files, oldest first."""
    return sorted(pathlib.Path(run_dir, "checkpoints").glob("step-*.h5"))


def tree(directory):
    """Every path below a directory, with the content's digest: what "nothing left behind" is checked by."""
    return {str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
            for path in sorted(pathlib.Path(directory).rglob("*"))}


class CliTestCase(unittest.TestCase):
    """A test with a directory of its own, self.dir, which is removed afterwards."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.dir = pathlib.Path(directory.name)

    def train(self, run_dir, *flags, **options):
        return run_well("train", "--run-dir", run_dir, "--progress", "off", *flags, **options)


class MnistTestCase(CliTestCase):
    """A test on MNIST, which stands as a dataset at self.data."""

    @classmethod
    def setUpClass(cls):
        if not MNIST_DIR:
            raise AssertionError("MNIST_DIR: expected a directory with MNIST's four files, found it unset; "
                                 "scripts/test.sh sets it")

    def setUp(self):
        super().setUp()
        self.data = self.dir / "mnist.h5"
        write_mnist(self.data)


def host():
    return socket.gethostname()
