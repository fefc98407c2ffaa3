"""Each rank reads its own rows only, and holds little more than them: 100 MB of rows, with --full 2 GB."""

import json
import pathlib
import subprocess
import sys
import unittest

import h5py
import numpy as np

import lockstep_cli as cli

MEASURE = pathlib.Path(__file__).with_name("measure.py")
FEATURES, CLASSES, BATCH_SIZE = 800, 10, 128
# Few enough numbers other than zero that products leave out the zeros, if there is room for an index of the others,
# which stand in quads, as pixels do.
SPARSE_SHARE, QUAD = 0.2, 4
ROWS_OF_A_CHUNK = 8192
MEGABYTE = 1000 ** 2
MEMORY_BESIDE_THE_SHARD = 200 * MEGABYTE
# What a rank reads besides rows: libraries, configuration of MPI, labels, the file's own structure.
READ_BESIDE_THE_ROWS = 16 * MEGABYTE


def write_rows(path, rows, nonzero_share=1.0):
    """Returns the bytes of /train/x and /train/y."""
    rng = np.random.default_rng(1)
    with h5py.File(path, "w") as file:
        file.attrs.update({"format": "lockstep-dataset", "version": 1, "task": "classification", "x_scale": 1.0,
                           "class_names": [str(i) for i in range(CLASSES)], "source": "noise"})
        x = file.create_dataset("/train/x", (rows, FEATURES), np.float32)
        block = rng.integers(1, 256, (ROWS_OF_A_CHUNK, FEATURES)).astype(np.float32) / 256
        block *= np.repeat(rng.random((ROWS_OF_A_CHUNK, FEATURES // QUAD)) < nonzero_share, QUAD, axis=1)
        for begin in range(0, rows, ROWS_OF_A_CHUNK):
            count = min(ROWS_OF_A_CHUNK, rows - begin)
            x[begin : begin + count] = block[:count]
        file["/train/y"] = rng.integers(0, CLASSES, rows).astype(np.uint8)
        file["/test/x"], file["/test/y"] = block[:100], np.zeros(100, np.uint8)
        return rows * FEATURES * 4 + rows


class Load(cli.CliTestCase):
    full = False

    def measure(self, *flags, ranks):
        """What each rank read and held at its peak."""
        reports = self.dir / f"reports-{ranks}"
        reports.mkdir()
        arguments = ("train", "--run-dir", self.dir / f"run-{ranks}", "--quiet", *flags)
        line = cli.command(arguments, ranks, launcher=True)
        at = line.index(cli.BINARY)
        line[at:at] = [sys.executable, str(MEASURE), str(reports)]
        process = subprocess.Popen(line, env=cli.environment(), text=True, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
        result = cli.finish(process, arguments, ranks, timeout=600)
        self.assertEqual(result.status, 0, str(result))
        no_room = "no room to know where numbers are not zero" in result.err
        self.assertEqual(no_room, self.full and ranks == 1, str(result))
        return [json.loads(report.read_text()) for report in reports.iterdir()]

    def check_load(self, ranks, nonzero_share):
        train_bytes = (2000 if self.full else 100) * MEGABYTE
        data = self.dir / "load.h5"
        on_disk = write_rows(data, train_bytes // (FEATURES * 4), nonzero_share)
        usage = self.measure("--data", data, "--hidden", 32, "--batch-size", BATCH_SIZE, "--max-steps", 2, ranks=ranks)
        self.assertEqual(len(usage), ranks)
        for used in usage:
            print(f"one of {ranks} ranks: read {used['bytes_read'] / MEGABYTE:.1f} MB, "
                  f"peak {used['peak_bytes'] / MEGABYTE:.1f} MB", flush=True)
            self.assertLessEqual(used["peak_bytes"], on_disk / ranks + MEMORY_BESIDE_THE_SHARD)
        bytes_read = sum(used["bytes_read"] for used in usage)
        self.assertGreaterEqual(bytes_read, on_disk)
        self.assertLessEqual(bytes_read, on_disk + ranks * READ_BESIDE_THE_ROWS)

    def test_ranks_read_and_hold_their_own_rows_only(self):
        self.check_load(ranks=2, nonzero_share=1.0)

    def test_sparse_rows_need_no_more_memory(self):
        # 2 GB: one rank has no room for an index; of four, each has one of nearly the allowed size.
        for ranks in (1, 4):
            with self.subTest(ranks=ranks):
                self.check_load(ranks, SPARSE_SHARE)


if __name__ == "__main__":
    Load.full = "--full" in sys.argv
    unittest.main(argv=[argument for argument in sys.argv if argument != "--full"])
