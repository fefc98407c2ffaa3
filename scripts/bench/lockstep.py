"""Contenders: lockstep itself. Each measurement is one `mpirun … lockstep train`."""

import csv
import pathlib
import shutil
import tempfile
import tomllib

from whole_process import run

FREE_BYTES_WANTED = 1 << 30


def scratch_directory():
    """Memory rather than disk, where there is enough: the checkpoint of one run must not slow down the next."""
    memory = pathlib.Path("/dev/shm")
    roomy = memory.is_dir() and shutil.disk_usage(memory).free >= FREE_BYTES_WANTED
    return tempfile.TemporaryDirectory(prefix="lockstep-bench-", dir=memory if roomy else None)


def speed_after_first_epoch(metrics_file):
    """samples per second of all epochs but the first, from a run's metrics.csv"""
    with open(metrics_file, newline="") as file:
        speeds = [float(line["samples_per_second"]) for line in csv.DictReader(file)]
    if len(speeds) < 2:
        raise RuntimeError(f"{metrics_file}: expected at least 2 epochs, found {len(speeds)}")
    return (len(speeds) - 1) / sum(1 / speed for speed in speeds[1:])


class Lockstep:
    def __init__(self, program, dataset, ranks, flags=()):
        self.program, self.dataset, self.most_ranks, self.flags = program, dataset, ranks, list(flags)

    def prepare(self, case):
        self.case = case
        self.ranks = min(self.most_ranks, case.batch)
        self.shard_flags = []
        if self.ranks > 1:
            shards = self.default_shards()
            if self.ranks > shards:  # no rank without a shard; up to this many cores the default stands
                self.shard_flags = ["--shards", self.ranks]

    def measure(self, size):
        """samples per second: of training after its first epoch, or with the start of the process"""
        with scratch_directory() as directory:
            run_dir = pathlib.Path(directory) / "run"
            if self.case.is_whole_process:
                seconds = self.train(run_dir, self.ranks, ["--limit-train", size.rows, "--epochs", size.epochs])
                return size.rows * size.epochs / seconds
            # The evaluations of the test set are not timed, but would take time.
            self.train(run_dir, self.ranks,
                       ["--limit-train", size.rows, "--limit-test", 100, "--epochs", size.epochs + 1])
            return speed_after_first_epoch(run_dir / "metrics.csv")

    def train(self, run_dir, ranks, flags):
        case = self.case
        return run(["mpirun", "-n", ranks, self.program, "train", "--data", self.dataset,
                    "--hidden", ",".join(map(str, case.hidden)), "--activation", case.activation,
                    "--optimizer", case.optimizer, "--learning-rate", case.learning_rate,
                    "--batch-size", case.batch, "--precision", case.precision, "--run-dir", run_dir,
                    "--evaluate-every", 1000000, "--checkpoint-every", "1000000epochs", "--quiet",
                    *self.flags, *self.shard_flags, *flags])

    def default_shards(self):
        """What the program chooses for this case: its results depend on it, so it is asked, not assumed."""
        with scratch_directory() as directory:
            run_dir = pathlib.Path(directory) / "run"
            self.train(run_dir, 1, ["--limit-train", self.case.batch, "--limit-test", 1, "--max-steps", 1])
            with open(run_dir / "config.toml", "rb") as file:
                return int(tomllib.load(file)["shards"])

    def close(self):
        pass
