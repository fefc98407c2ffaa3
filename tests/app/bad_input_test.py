"""The user's mistakes: exit status 2, one message with what, where, expected and found, nothing left behind, no hang.

By default some on one rank, some on one and on three; with --full nearly all on both.
"""

import gzip
import os
import pathlib
import shutil
import sys
import tempfile
import unittest

import h5py
import numpy as np

import lockstep_cli as cli

RANKS = 3


def tearDownModule():
    print(f"{BadInputTestCase.refusals} refused commands", file=sys.stderr)


class BadInputTestCase(cli.CliTestCase):
    full = False  # on three ranks, too, what is a mistake on one
    refusals = 0

    def setUp(self):
        super().setUp()
        self.data = self.dir / "good.h5"
        cli.write_classification(self.data, rows=40, test_rows=20)

    def refused(self, arguments, *expected, ranks=(1, RANKS), cwd=None, env=None, launcher=None):
        """Runs the command, which has to be refused with a message that holds every expected text."""
        before = cli.tree(self.dir)
        for count in (1, RANKS) if self.full and 1 in ranks else ranks:
            with self.subTest(" ".join(map(str, arguments)), ranks=count):
                result = cli.run(*arguments, ranks=count, cwd=cwd or self.dir, env=env,
                                 launcher=launcher and launcher(count))
                self.assertEqual(result.status, cli.USER_ERROR, str(result))
                messages = cli.error_lines(result.err)
                self.assertEqual(len(messages), 1, str(result))
                if count == 1:
                    self.assertEqual(result.err, messages[0] + "\n")
                for text in expected:
                    self.assertIn(str(text), messages[0])
                self.assertEqual(result.out, "")
                self.assertEqual(cli.tree(self.dir), before)
            BadInputTestCase.refusals += 1

    def refused_train(self, flags, *expected, data=None, **options):
        """The run directory is new: it must not be there afterwards."""
        self.refused(["train", "--data", data or self.data, "--run-dir", "runs/new", *flags], *expected, **options)


class CommandLine(BadInputTestCase):
    def test_subcommands(self):
        self.refused([], "expected a subcommand", "train")
        self.refused(["trian"], "'trian'", "did you mean 'train'")
        self.refused(["export"], "unknown subcommand 'export'", "train, sweep", ranks=(1,))
        self.refused(["--hepl"], "unknown flag '--hepl'", "see lockstep --help", ranks=(1,))

    def test_flags(self):
        self.refused(["train", "--lerning-rate", "1"], "'--lerning-rate'", "did you mean '--learning-rate'")
        self.refused(["train", "--learning_rat=1"], "'--learning_rat'", "did you mean '--learning-rate'", ranks=(1,))
        self.refused(["evaluate", "--chekpoint", "x"], "'--chekpoint'", "did you mean '--checkpoint'")
        self.refused(["convert", "--outptu", "x"], "'--outptu'", "did you mean '--output'", ranks=(1,))
        self.refused(["train", "--data", self.data, "more"], "found 'more'", ranks=(1,))
        self.refused(["train", "--epochs"], "--epochs", ranks=(1,))

    def test_missing_flags(self):
        self.refused(["train"], "--data: expected a dataset file")
        self.refused(["evaluate", "--data", self.data], "--checkpoint: expected", "found none")
        self.refused(["evaluate", "--checkpoint", "x"], "--data: expected", "found none", ranks=(1,))
        self.refused(["predict"], "--checkpoint: expected", "found none", ranks=(1,))
        self.refused(["convert", "--csv", "x"], "--output: expected", "found none", ranks=(1,))
        self.refused(["inspect"], "expected a dataset file", "found none", ranks=(1,))

    def test_values_out_of_range(self):
        one_rank, several = {"ranks": (1,)}, {}
        for flags, options, *expected in (
                (["--learning-rate", "nan"], several, "--learning-rate", "above 0", "'nan'"),
                (["--learning-rate", "0"], one_rank, "--learning-rate", "above 0", "'0'"),
                (["--learning-rate", "-1"], one_rank, "--learning-rate", "above 0", "'-1'"),
                (["--learning-rate", "inf"], one_rank, "--learning-rate", "'inf'"),
                (["--learning-rate", "fast"], one_rank, "--learning-rate: expected a number", "'fast'"),
                (["--learning-rate", "1e-3x"], one_rank, "--learning-rate", "'1e-3x'"),
                (["--batch-size", "0"], several, "--batch-size", "at least 1", "'0'"),
                (["--batch-size", "-5"], one_rank, "--batch-size", "'-5'"),
                (["--batch-size", "1.5"], one_rank, "--batch-size", "'1.5'"),
                (["--batch-size", "99999999999999999999"], one_rank, "--batch-size", "'99999999999999999999'"),
                (["--epochs", "0"], one_rank, "--epochs", "'0'"),
                (["--epochs", "9223372036854775808", "--schedule", "cosine"], several, "--epochs", "at most",
                 "found 9223372036854775808"),
                (["--shards", "0"], one_rank, "--shards", "'0'"),
                (["--hidden", "0"], one_rank, "--hidden", "'0'"),
                (["--hidden", "12,,3"], one_rank, "--hidden"),
                (["--hidden", "12x"], one_rank, "--hidden", "512x6", "'12x'"),
                (["--beta1", "1"], one_rank, "--beta1", "[0, 1)", "'1'"),
                (["--momentum", "-0.1", "--optimizer", "momentum"], one_rank, "--momentum", "'-0.1'"),
                (["--dropout", "1"], one_rank, "--dropout", "[0, 1)", "'1'"),
                (["--validation-split", "1"], one_rank, "--validation-split", "'1'"),
                (["--l2", "-1"], one_rank, "--l2", "'-1'"),
                (["--clip-norm", "nan"], one_rank, "--clip-norm", "'nan'"),
                (["--checkpoint-every", "60"], one_rank, "--checkpoint-every", "60s", "'60'"),
                (["--max-seconds", "0"], one_rank, "--max-seconds", "'0'"),
                (["--precision", "float16"], one_rank, "--precision", "float32 or float64", "'float16'"),
                (["--arithmetic", "exakt"], one_rank, "--arithmetic", "did you mean 'exact'"),
                (["--evaluator", "some"], one_rank, "--evaluator", "rank0 or all", "'some'"),
                (["--shuffle", "maybe"], one_rank, "--shuffle", "on or off", "'maybe'"),
                (["--seed", "4294967296", "--init-generator", "mt19937"], one_rank, "--seed", "4294967295")):
            self.refused_train(flags, *expected, **options)

    def test_bytes_that_are_no_text(self):
        self.refused_train([], "--data: expected a text in UTF-8, found 'caf\\xe9.h5'", data=os.fsdecode(b"caf\xe9.h5"))

    def test_unknown_names(self):
        self.refused_train(["--activation", "rleu"], "--activation", "'rleu'", "did you mean 'relu'")
        self.refused_train(["--optimizer", "adm"], "--optimizer", "'adm'", "did you mean 'adam'")
        self.refused_train(["--init", "glorot_unifrom"], "--init", "did you mean 'glorot_uniform'", ranks=(1,))
        self.refused_train(["--loss", "cross_entrpy"], "--loss", "did you mean 'cross_entropy'", ranks=(1,))
        self.refused_train(["--output", "sofmax"], "--output", "did you mean 'softmax'", ranks=(1,))
        self.refused_train(["--schedule", "cosin"], "--schedule", "did you mean 'cosine'", ranks=(1,))
        self.refused_train(["--constraint", "nonegative"], "--constraint", "'nonegative'", ranks=(1,))

    def test_arguments_of_names(self):
        self.refused_train(["--activation", "leaky_relu(0.2"], "--activation", "'leaky_relu(0.2'", "parentheses")
        self.refused_train(["--activation", "leaky_relu(x)"], "--activation", "'x'", ranks=(1,))
        self.refused_train(["--activation", "leaky_relu(nan)"], "--activation", "nan", ranks=(1,))
        self.refused_train(["--activation", "relu(1)"], "--activation", "relu", ranks=(1,))
        self.refused_train(["--init", "uniform(1,-1)"], "--init", "uniform", ranks=(1,))
        self.refused_train(["--init", "normal(0"], "--init", "normal(0", ranks=(1,))
        self.refused_train(["--schedule", "step(0,0.5)"], "--schedule", ranks=(1,))
        self.refused_train(["--constraint", "max_norm(-1)"], "--constraint", "-1", ranks=(1,))

    def test_lists_of_the_wrong_length(self):
        self.refused_train(["--hidden", "4,4,4", "--activation", "relu,tanh"], "--activation", "3", "found 2")
        self.refused_train(["--hidden", "4", "--init", "zeros,zeros,zeros"], "--init", "2", "found 3", ranks=(1,))
        self.refused_train(["--hidden", "4,4", "--dropout", "0.1,0.1,0.1"], "--dropout", "2", "found 3", ranks=(1,))

    def test_what_cannot_train_or_does_not_fit_the_task(self):
        self.refused_train(["--activation", "step"], "--activation", "step", "surrogate")
        self.refused_train(["--loss", "mse"], "mse", "cross_entropy")
        self.refused_train(["--output", "identity"], "identity", "softmax", ranks=(1,))
        self.refused_train(["--output", "softmax", "--loss", "huber"], "huber", "cross_entropy", ranks=(1,))
        cli.write_regression(self.dir / "regression.h5")
        self.refused_train(["--loss", "cross_entropy"], "cross_entropy", "mse", data=self.dir / "regression.h5")
        self.refused_train(["--output", "softmax"], "softmax", "identity", data=self.dir / "regression.h5", ranks=(1,))
        self.refused_train(["--monitor", "accuracy"], "--monitor", "regression", data=self.dir / "regression.h5",
                           ranks=(1,))
        cli.write_binary(self.dir / "binary.h5")
        self.refused_train(["--output", "softmax"], "softmax", "sigmoid", data=self.dir / "binary.h5", ranks=(1,))
        self.refused_train(["--early-stopping", "3"], "--early-stopping", "--validation-split", ranks=(1,))

    def test_shards(self):
        self.refused_train(["--shards", "2", "--batch-size", "8"], "--shards", "found 2 shards for 3 ranks", ranks=(3,))
        self.refused_train(["--shards", "9", "--batch-size", "8"], "--shards", "at most the batch size of 8", "found 9")
        self.refused_train(["--limit-train", "5", "--shards", "6"], "--shards", "training rows, 5", "found 6")
        self.refused_train(["--validation-split", "0.75", "--shards", "11"], "--shards", "training rows, 10", "found 11",
                           ranks=(1,))
        self.refused_train(["--drop-last", "on", "--batch-size", "64"], "--drop-last", "64", "found 40", ranks=(1,))

    def test_more_than_memory(self):
        self.refused_train(["--hidden", "2000000000"], "--hidden", "memory", "found one that needs")
        self.refused_train(["--hidden", "4000000000,4000000000"], "--hidden", "memory", ranks=(1,))
        self.refused_train(["--hidden", "9223372036854775807x9"], "--hidden", "64 bits", ranks=(1,))
        self.refused_train(["--hidden", "4x18446744073709551615"], "--hidden", ranks=(1,))

    def test_choices_of_other_subcommands(self):
        self.refused(["evaluate", "--split", "tset"], "--split", "test", "train", "tset", ranks=(1,))
        self.refused(["evaluate", "--format", "xml"], "--format", "text", "json", "xml", ranks=(1,))
        self.refused(["evaluate", "--limit", "-1"], "--limit", "-1", ranks=(1,))
        self.refused(["evaluate", "--top-k", "0"], "--top-k", "0", ranks=(1,))
        self.refused(["activations", "rleu"], "'rleu'", "did you mean 'relu'", ranks=(1,))
        self.refused(["inspect", "--verify=soon", self.data], "--verify: expected no value, found 'soon'", ranks=(1,))

    def test_environment(self):
        self.refused_train([], "LOCKSTEP_ISA", "avx2", "'sse9'", env={"LOCKSTEP_ISA": "sse9"})


class ConfigFiles(BadInputTestCase):
    def config(self, text):
        path = self.dir / "run.toml"
        path.write_text(text)
        return ["--config", path]

    def test_keys_and_values(self):
        self.refused_train(self.config("lerning_rate = 1"), "run.toml, line 1", "'lerning_rate'",
                           "did you mean 'learning-rate'")
        self.refused_train(self.config("epochs = 3\nlearning_rate = -1"), "run.toml, line 2", "learning_rate",
                           "above 0", "'-1'")
        self.refused_train(self.config("epochs = true"), "line 1", "epochs", ranks=(1,))
        self.refused_train(self.config("[epochs]\na = 1"), "line 1", "epochs", ranks=(1,))
        self.refused_train(self.config("epochs = 3\nepochs = 4"), "run.toml, line 2", ranks=(1,))
        self.refused_train(self.config("batch-size = 3\nbatch_size = 4"), "given twice", ranks=(1,))

    def test_not_toml(self):
        self.refused_train(self.config("epochs: 3"), "run.toml, line 1", "expected TOML")
        self.refused_train(self.config("\x00\x01"), "run.toml", ranks=(1,))

    def test_not_readable(self):
        self.refused_train(["--config", "missing.toml"], "--config", "missing.toml")
        (self.dir / "folder").mkdir()
        self.refused_train(["--config", "folder"], "--config", "folder", ranks=(1,))
        os.mkfifo(self.dir / "fifo")
        self.refused_train(["--config", "fifo"], "--config fifo", "found a FIFO without a writer", ranks=(1,))


def classification_file(path, rows=40, change=None, **replaced):
    """A dataset file in which `change` does something to the open file, or arrays are replaced."""
    x, y = cli.synthetic_classes(rows, (6, 5), 4, 1)
    test_x, test_y = cli.synthetic_classes(20, (6, 5), 4, 2)
    arrays = {"train_x": x, "train_y": y, "test_x": test_x, "test_y": test_y, **replaced}
    cli.write_dataset(path, **arrays, class_names=list("0123"))
    if change:
        with h5py.File(path, "r+") as file:
            change(file)


def replace(file, path, array):
    del file[path]
    file[path] = array


class DatasetFiles(BadInputTestCase):
    """What `train` says of them; `evaluate` and `inspect` read them by the same functions."""

    def refused_data(self, name, *expected, **options):
        self.refused_train([], name, *expected, data=self.dir / name, **options)

    def test_no_dataset_file(self):
        self.refused_data("missing.h5", "no such file")
        (self.dir / "empty.h5").write_bytes(b"")
        self.refused_data("empty.h5", "empty")
        (self.dir / "text.h5").write_text("not HDF5 at all\n" * 100)
        self.refused_data("text.h5", "HDF5")
        (self.dir / "torn.h5").write_bytes(self.data.read_bytes()[:-500])
        self.refused_data("torn.h5", "truncated")
        (self.dir / "head.h5").write_bytes(self.data.read_bytes()[:100])
        self.refused_data("head.h5", ranks=(1,))
        (self.dir / "folder.h5").mkdir()
        self.refused_data("folder.h5", "directory", ranks=(1,))
        with h5py.File(self.dir / "other.h5", "w") as file:
            file["x"] = np.zeros(3)
        self.refused_data("other.h5", "lockstep-dataset", ranks=(1,))
        os.mkfifo(self.dir / "pipe.h5")
        before = self.dir / "pipe.h5"
        result = cli.run("train", "--data", before, cwd=self.dir)
        self.assertEqual(result.status, cli.USER_ERROR, str(result))
        before.unlink()

    def test_lengths_shapes_and_types(self):
        x, y = cli.synthetic_classes(40, (6, 5), 4, 1)
        for name, change, *expected in (
                ("length", lambda f: replace(f, "train/y", y[:39]), "/train/y", "40", "39"),
                ("test_length", lambda f: replace(f, "test/x", x[:19]), "/test/", "19", "20"),
                ("one_axis", lambda f: replace(f, "train/x", x[:, 0, 0]), "/train/x", "(40)"),
                ("four_axes", lambda f: replace(f, "train/x", x[:, :, :, None]), "/train/x", "(40, 6, 5, 1)"),
                ("other_width", lambda f: replace(f, "test/x", x[:20, :, :4]), "/test/x", "(6, 5)", "(6, 4)"),
                ("integers", lambda f: replace(f, "train/x", x.astype(np.int64)), "/train/x", "int64"),
                ("no_rows", lambda f: (replace(f, "train/x", x[:0]), replace(f, "train/y", y[:0])), "/train/x", "row"),
                ("float_labels", lambda f: replace(f, "train/y", y.astype(np.float32)), "/train/y", "float32"),
                ("no_x", lambda f: f.pop("train/x"), "/train/x"),
                ("no_task", lambda f: f.attrs.pop("task"), "task"),
                ("below_an_array", lambda f: replace(f, "train", y), "/train/x", "expected an array"),
                ("names", lambda f: f.attrs.update(class_names=["a", "b", "c", "b"]), "class_names", "'b' twice"),
                ("odd_task", lambda f: f.attrs.update(task="guess"), "task", "classification", "guess")):
            classification_file(self.dir / f"{name}.h5", change=change)
            several = name in ("length", "no_x", "one_axis")
            self.refused_data(f"{name}.h5", *expected, ranks=(1, RANKS) if several else (1,))

    def test_labels_out_of_range(self):
        # Rows 33 and 35 belong to different ranks: the message must not depend on who sees them first.
        def change(file):
            file["train/y"][33] = 9
            file["train/y"][35] = 8
        classification_file(self.dir / "large.h5", change=change)
        self.refused_data("large.h5", "/train/y", "row", "3")
        y = cli.synthetic_classes(40, (6, 5), 4, 1)[1].astype(np.int32)
        y[17] = -1
        classification_file(self.dir / "negative.h5", train_y=y)
        self.refused_data("negative.h5", "/train/y", "row 17", "-1")
        test_y = cli.synthetic_classes(20, (6, 5), 4, 2)[1]
        test_y[11] = 200
        classification_file(self.dir / "test.h5", test_y=test_y)
        self.refused_data("test.h5", "/test/y", "row 11", "200")
        cli.write_binary(self.dir / "binary.h5")
        with h5py.File(self.dir / "binary.h5", "r+") as file:
            file["train/y"][21] = 2
        self.refused_data("binary.h5", "/train/y", "row 21", "2", ranks=(1,))

    def test_numbers_that_are_none(self):
        for name, value in (("nan", np.nan), ("inf", -np.inf)):
            x = cli.synthetic_classes(40, (6, 5), 4, 1, np.float32)[0]
            x[29, 3, 2] = value
            classification_file(self.dir / f"{name}.h5", train_x=x,
                                test_x=cli.synthetic_classes(20, (6, 5), 4, 2, np.float32)[0])
            self.refused_data(f"{name}.h5", "/train/x", "row 29", "finite", name)
        cli.write_regression(self.dir / "target.h5")
        with h5py.File(self.dir / "target.h5", "r+") as file:
            file["train/y"][40, 1] = np.nan
        self.refused_data("target.h5", "/train/y", "row 40", "nan")
        classification_file(self.dir / "test.h5", train_x=np.zeros((40, 6, 5), np.float32),
                            test_x=np.full((20, 6, 5), np.inf, np.float32))
        self.refused_data("test.h5", "/test/x", "row 0", "inf", ranks=(1,))

    def test_sizes_beyond_memory(self):
        def promise(shape, write=True, chunks=True):
            def change(file):
                for name in ("train/x", "train/y"):
                    del file[name]
                x = file.create_dataset("train/x", shape, dtype="u1", chunks=(1, *shape[1:]) if chunks else None)
                y = file.create_dataset("train/y", shape[:1], dtype="u1", chunks=(1000,) if chunks else None)
                if write:  # one chunk of it; without chunks the file is as large as promised, but sparse
                    x[-1] = y[-1] = 1
                replace(file, "test/x", np.zeros((20, *shape[1:]), np.uint8))
            return change
        classification_file(self.dir / "piece.h5", change=promise((2**28, 100_000)))
        self.refused_data("piece.h5", "/train/x", "never written")
        with tempfile.TemporaryDirectory() as elsewhere:  # nobody is to read them for a digest
            rows, more_rows = pathlib.Path(elsewhere, "rows.h5"), pathlib.Path(elsewhere, "more_rows.h5")
            classification_file(rows, change=promise((2**26, 100_000), chunks=False))
            self.refused_train([], "rows.h5", "memory", data=rows)
            classification_file(more_rows, change=promise((2**42, 1), chunks=False))
            self.refused_train([], "more_rows.h5", "memory", data=more_rows)
            self.refused_train(["--validation-split", "0.5", "--validation-stratified"], "memory", data=more_rows)
        classification_file(self.dir / "overflow.h5", change=promise((2**61, 100), write=False))
        self.refused_data("overflow.h5", "/train/x")


class IdxFiles(BadInputTestCase):
    NAMES = {"train-images-idx3-ubyte": 30, "train-labels-idx1-ubyte": 30,
             "t10k-images-idx3-ubyte": 10, "t10k-labels-idx1-ubyte": 10}

    def setUp(self):
        super().setUp()
        self.idx = self.dir / "idx"
        self.idx.mkdir()
        for name, rows in self.NAMES.items():
            shape = (rows, 4, 4) if "images" in name else (rows,)
            content = cli.idx_bytes(np.arange(np.prod(shape)).reshape(shape) % 10)
            (self.idx / f"{name}.gz").write_bytes(gzip.compress(content))

    def refused_idx(self, *expected, **options):
        self.refused(["convert", "--idx-dir", self.idx, "--output", "out.h5"], *expected, **options)

    def change(self, name, content, zipped=False):
        (self.idx / f"{name}.gz").unlink(missing_ok=True)
        (self.idx / name).unlink(missing_ok=True)
        (self.idx / (name + ".gz" * zipped)).write_bytes(gzip.compress(content) if zipped else content)

    def test_good_ones_are_converted(self):
        cli.run_well("convert", "--idx-dir", self.idx, "--output", self.dir / "out.h5")

    def test_magic_number(self):
        images = cli.idx_bytes(np.zeros((30, 4, 4)))
        self.change("train-images-idx3-ubyte", b"\1" + images[1:])
        self.refused_idx("train-images-idx3-ubyte", "expected magic number 0x00000803", "found 0x01000803")
        self.change("train-images-idx3-ubyte", images[:2] + b"\x0d" + images[3:], zipped=True)
        self.refused_idx("train-images-idx3-ubyte.gz", "found 0x00000d03", ranks=(1,))
        self.change("train-images-idx3-ubyte", cli.idx_bytes(np.zeros(30)))
        self.refused_idx("train-images-idx3-ubyte", "found 0x00000801", ranks=(1,))

    def test_counts(self):
        images, labels = cli.idx_bytes(np.zeros((30, 4, 4))), cli.idx_bytes(np.zeros(29))
        self.change("train-labels-idx1-ubyte", labels)
        self.refused_idx("train-labels-idx1-ubyte", "expected 30 labels", "found 29")
        self.change("train-labels-idx1-ubyte", cli.idx_bytes(np.zeros(30)))
        for content, found in ((images[:-1], "found 479 bytes"), (images + b"\0", "found more bytes")):
            for zipped in (False, True):
                self.change("train-images-idx3-ubyte", content, zipped)
                self.refused_idx("train-images-idx3-ubyte", found, ranks=(1,))
        self.change("train-images-idx3-ubyte", images[:4] + b"\xff\xff\xff\xff" * 3)
        self.refused_idx("train-images-idx3-ubyte", "more than the file can hold", ranks=(1,))
        self.change("train-images-idx3-ubyte", images[:10])
        self.refused_idx("train-images-idx3-ubyte", "header", ranks=(1,))

    def test_torn_gzip(self):
        path = self.idx / "t10k-images-idx3-ubyte.gz"
        whole = path.read_bytes()
        path.write_bytes(whole[:-12])
        self.refused_idx("t10k-images-idx3-ubyte.gz")
        damaged = bytearray(whole)
        damaged[-6] ^= 0xFF  # the checksum
        path.write_bytes(damaged)
        self.refused_idx("t10k-images-idx3-ubyte.gz", ranks=(1,))
        path.write_bytes(whole[:5])
        self.refused_idx("t10k-images-idx3-ubyte.gz", ranks=(1,))

    def test_missing(self):
        (self.idx / "t10k-labels-idx1-ubyte.gz").unlink()
        self.refused_idx("t10k-labels-idx1-ubyte", "found neither")
        self.refused(["convert", "--idx-dir", "nowhere", "--output", "out.h5"], "nowhere", "directory", ranks=(1,))


class CsvFiles(BadInputTestCase):
    def refused_csv(self, content, *expected, ranks=(1,), flags=()):
        path = self.dir / "rows.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        self.refused(["convert", "--csv", path, "--target", "y", "--output", "out.h5", *flags], *expected, ranks=ranks)

    def test_good_one_is_converted(self):
        (self.dir / "rows.csv").write_text("a,b,y\n1,2,0\n3,4,1\n5,6,0\n")
        cli.run_well("convert", "--csv", self.dir / "rows.csv", "--target", "y", "--output", self.dir / "out.h5")

    def test_rows(self):
        self.refused_csv("a,b,y\n1,2,0\n3,1\n5,6,0\n", "rows.csv", "line 3", "expected 3", "found 2", ranks=(1, RANKS))
        self.refused_csv("a,b,y\n1,2,0\n3,4,1,7\n", "line 3", "found 4")
        self.refused_csv("a,b,y\n1,2,0\n3,four,1\n", "line 3", "b", "'four'", ranks=(1, RANKS))
        self.refused_csv("a,b,y\n1,2,0\n3,nan,1\n", "line 3", "b", "finite", "'nan'")
        self.refused_csv("a,b,y\n1,2,0\n3,,1\n", "line 3", "b", "''")
        self.refused_csv("a,b,y\n1,2,th\xe9\n".encode("latin-1"), "line 2", "y", "UTF-8")
        self.refused_csv('a,b,y\n1,2,0\n3,"4,1\n', "line 3", "quote")
        self.refused_csv("a,b,y\n", "rows")
        self.refused_csv("", "rows.csv", "expected a header line", "found nothing")
        self.refused_csv("5.1,3.5,0\n4.9,3.0,1\n", "line 1", "expected a header line", "only numbers", "'5.1'",
                         flags=["--target", "0"])
        self.refused_csv("a,b,z\n1,2,0\n", "expected a column 'y'", "found 'a', 'b', 'z'")
        self.refused_csv("a,price,y\n1,2,0\n", "expected a column 'prise'", "did you mean 'price'", flags=["--target", "prise"])
        self.refused_csv("a,b,y\n1,2,0\n3,4,1\n", "regression", "regresion", flags=["--task", "regresion"])
        self.refused_csv("a,b,y\n1,2,0\n3,4,1\n", "--test-fraction", "'x'", flags=["--test-fraction", "x"])
        self.refused_csv("a,b,y\n1,2,0\n3,4,1\n", "1.5", flags=["--test-fraction", "1.5"])

    def test_files(self):
        self.refused(["convert", "--csv", "missing.csv", "--target", "y", "--output", "out.h5"], "missing.csv")
        self.refused_csv(gzip.compress(b"a,b,y\n1,2,0\n3,4,1\n" * 99)[:-10], "rows.csv")
        self.refused(["convert", "--csv", "x.csv", "--output", "out.h5"], "--target", "found none", ranks=(1,))
        self.refused(["convert", "--csv", "x.csv", "--hdf5", "y.h5", "--output", "out.h5"], "exactly one",
                     "found --csv and --hdf5", ranks=(1,))
        self.refused(["convert", "--output", "out.h5"], "exactly one", "found none", ranks=(1,))
        convert = ["convert", "--hdf5", self.data, "--output", "out.h5"]
        self.refused([*convert, "--x-scale", "0"], "--x-scale", "other than 0", ranks=(1,))
        self.refused([*convert, "--class-names", "a,b,c,c"], "different names", "'c' twice", ranks=(1,))

    def test_flags_of_other_sources(self):
        for flags, *expected in ((["--csv", "x.csv", "--target", "y", "--class-names", "a,b"], "--class-names",
                                  "--idx-dir or --hdf5", "found with --csv"),
                                 (["--csv", "x.csv", "--target", "y", "--x-scale", "2"], "--x-scale", "with --hdf5"),
                                 (["--idx-dir", ".", "--test-fraction", "0.2"], "--test-fraction", "with --csv"),
                                 (["--hdf5", "x.h5", "--target", "y"], "--target", "with --csv", "found with --hdf5")):
            self.refused(["convert", *flags, "--output", "out.h5"], *expected, ranks=(1,))

    def test_separators(self):
        for separator in ("", ";;", '"', "\n"):
            self.refused_csv("a;b;y\n1;2;0\n3;4;1\n", "--separator", "one character", flags=["--separator", separator])

    def test_output_that_is_another_file(self):
        (self.dir / "rows.csv").write_text("a,b,y\n1,2,0\n3,4,1\n")
        with h5py.File(self.dir / "mine.h5", "w") as file:
            file["precious"] = [1, 2, 3]
        with h5py.File(self.dir / "seven.h5", "w") as file:
            file.attrs["format"] = 7
        (self.dir / "torn.h5").write_bytes(self.data.read_bytes()[:1000])
        for output in ("rows.csv", "mine.h5", "seven.h5", "torn.h5"):
            self.refused(["convert", "--csv", "rows.csv", "--target", "y", "--output", output], f"--output {output}",
                         "expected a new file, or a dataset file", "found another file", "remove it", ranks=(1,))
        self.refused(["convert", "--hdf5", self.data, "--output", "good.h5"], "--output good.h5",
                     "found the file to convert", ranks=(1, RANKS))

    def test_output_that_cannot_be_written(self):
        (self.dir / "rows.csv").write_text("a,b,y\n1,2,0\n3,4,1\n")
        for output in ("missing/out.h5", "rows.csv/out.h5", "."):
            self.refused(["convert", "--csv", "rows.csv", "--target", "y", "--output", output], output,
                         ranks=(1, RANKS) if output == "missing/out.h5" else (1,))


class RunDirectories(BadInputTestCase):
    def test_that_cannot_be_written(self):
        (self.dir / "file").write_text("in the way")
        for run_dir in ("file", "file/below", "/proc/lockstep-run"):
            self.refused(["train", "--data", self.data, "--run-dir", run_dir], "--run-dir", run_dir)

    def test_without_permission(self):
        closed = self.dir / "closed"
        self.train(closed / "run", "--data", self.data, "--epochs", "1", "--hidden", "3")
        self.addCleanup(closed.chmod, 0o700)
        limited = {"launcher": cli.bound_by_permissions}
        for mode in (0o500, 0):
            closed.chmod(mode)
            for run_dir in ("closed", "closed/new", "closed/new/deep"):
                self.refused(["train", "--data", self.data, "--run-dir", run_dir], "--run-dir", "Permission denied",
                             **limited)
        for path in ("closed", "closed/run", "closed/run/checkpoints/best"):
            for arguments in (["train", "--data", self.data, "--run-dir", "runs/new", "--resume", path],
                              ["evaluate", "--checkpoint", path, "--data", self.data], ["inspect", path]):
                self.refused(arguments, path, "Permission denied", ranks=(1,), **limited)
        for arguments in (["convert", "--idx-dir", "closed", "--output", "out.h5"], ["inspect", "closed/data.h5"],
                          ["train", "--data", "closed/data.h5"], ["train", "--config", "closed/config.toml"],
                          ["predict", "--checkpoint", "closed/run", "--input", self.data, "--output", "closed/p.csv"]):
            self.refused(arguments, "closed", "Permission denied", **limited)

    def test_an_end_of_the_job_that_is_no_time(self):
        self.refused_train([], "LOCKSTEP_JOB_END_TIME", "seconds since 1970", "'abc'", env={"LOCKSTEP_JOB_END_TIME": "abc"})
        for value in ("x", "-5", "1.5", ""):
            self.refused_train([], "LOCKSTEP_START_TIMEOUT", f"'{value}'", env={"LOCKSTEP_START_TIMEOUT": value})
        self.refused(["inspect", self.data, "--stall-timeout", "-1"], "--stall-timeout", "seconds, at least 0", "'-1'")
        (self.dir / "sweep.toml").write_text(f'[base]\ndata = "{self.data}"\nepochs = 1\n[grid]\nseed = [1, 2]\n')
        self.refused(["sweep", "sweep.toml", "--sweep-dir", "new"], "LOCKSTEP_JOB_END_TIME", "'abc'",
                     env={"LOCKSTEP_JOB_END_TIME": "abc"})

    def test_an_old_directory_keeps_what_it_holds(self):
        (self.dir / "old").mkdir()
        (self.dir / "old/notes.txt").write_text("mine")
        x = cli.synthetic_classes(40, (6, 5), 4, 1, np.float32)[0]
        x[3] = np.nan
        classification_file(self.dir / "nan.h5", train_x=x,
                            test_x=cli.synthetic_classes(20, (6, 5), 4, 2, np.float32)[0])
        for ranks in (1, RANKS):
            result = cli.run("train", "--data", "nan.h5", "--run-dir", "old", ranks=ranks, cwd=self.dir)
            self.assertEqual(result.status, cli.USER_ERROR, str(result))
            self.assertEqual((self.dir / "old/notes.txt").read_text(), "mine")
            self.assertEqual(sorted(path.name for path in (self.dir / "old").iterdir()), ["notes.txt"])
        (self.dir / "old/config.toml").write_text("hidden = 5\n")
        self.refused(["train", "--data", self.data, "--run-dir", "old"], "--run-dir old", "hidden: 5 before")

    def test_resume_from_nothing(self):
        self.refused_train(["--resume", "nowhere"], "--resume: expected auto, never", "found 'nowhere'")
        self.refused_train(["--resume", self.data], "checkpoint", ranks=(1,))
        (self.dir / "old").mkdir()
        self.refused_train(["--resume", "old"], "--resume old", "checkpoints", "found none", ranks=(1,))


class Checkpoints(BadInputTestCase):
    def setUp(self):
        super().setUp()
        self.train(self.dir / "run", "--data", self.data, "--epochs", "1", "--hidden", "3")
        self.checkpoint = cli.step_checkpoints(self.dir / "run")[0]

    def both(self, checkpoint, *expected, ranks=(1,)):
        self.refused(["evaluate", "--checkpoint", checkpoint, "--data", self.data], *expected, ranks=ranks)
        self.refused(["predict", "--checkpoint", checkpoint, "--input", self.data, "--output", "p.csv"], *expected,
                     ranks=ranks)

    def test_none(self):
        self.both("nowhere", "nowhere", ranks=(1, RANKS))
        (self.dir / "old").mkdir()
        self.both("old", "old", "checkpoint")
        self.both(self.data, self.data, "checkpoint")

    def test_damaged(self):
        for name, change in (("byte", lambda c: c[: len(c) // 2] + bytes([c[len(c) // 2] ^ 1]) + c[len(c) // 2 + 1 :]),
                             ("torn", lambda c: c[: len(c) // 2]), ("empty", lambda c: b"")):
            path = self.dir / f"{name}.h5"
            path.write_bytes(change(self.checkpoint.read_bytes()))
            self.both(path, path, ranks=(1, RANKS) if name == "byte" else (1,))

    def test_other_data(self):
        classes = cli.synthetic_classes(30, (6, 4), 4, 1)
        cli.write_dataset(self.dir / "narrow.h5", *classes, *classes)
        self.refused(["evaluate", "--checkpoint", "run", "--data", "narrow.h5"], "expected features 30", "found 24")
        self.refused(["predict", "--checkpoint", "run", "--input", "narrow.h5", "--output", "p.h5"], "30", "24",
                     ranks=(1,))
        cli.write_regression(self.dir / "regression.h5")
        self.refused(["evaluate", "--checkpoint", "run", "--data", "regression.h5"], "classification", "regression",
                     ranks=(1,))
        cli.write_dataset(self.dir / "train.h5", *cli.synthetic_classes(30, (6, 5), 4, 1))
        self.refused(["evaluate", "--checkpoint", "run", "--data", "train.h5"], "--split test", "found none",
                     "--split train evaluates its training rows", ranks=(1,))

    def test_input_and_output_of_predict(self):
        predict = ["predict", "--checkpoint", "run", "--output", "p.csv"]
        (self.dir / "rows.csv").write_text(",".join(f"x{i}" for i in range(30)) + "\n" + ",".join(["1"] * 29 + ["?"]))
        self.refused([*predict, "--input", "rows.csv"], "rows.csv", "line 2", "x29", "'?'")
        self.refused([*predict, "--input", "missing.csv"], "missing.csv", ranks=(1,))
        for lost in (self.data, "run/checkpoints/last"):
            output = (self.dir / "link.h5")
            output.unlink(missing_ok=True)
            os.link(self.dir / lost, output)
            self.refused(["predict", "--checkpoint", "run/checkpoints/last", "--input", self.data, "--output", "link.h5"],
                         "--output link.h5", "expected another file", "made from", ranks=(1,))
        (self.dir / "empty.h5").touch()
        self.refused([*predict, "--input", "empty.h5"], "empty.h5", "expected an HDF5 file", "an empty file", ranks=(1,))
        (self.dir / "wide.csv").write_text(",".join(f"x{i}" for i in range(31)) + "\n" + ",".join(["1"] * 31))
        self.refused([*predict, "--input", "wide.csv"], "30", "found 31", "--drop-columns", ranks=(1,))
        self.refused([*predict, "--input", "wide.csv", "--dataset", "/x"], "--dataset", "HDF5", "wide.csv", ranks=(1,))
        self.refused([*predict, "--input", self.data, "--drop-columns", "x1"], "--drop-columns", "CSV", ranks=(1,))
        self.refused([*predict, "--input", self.data, "--dataset", "/nothing"], "/nothing", ranks=(1,))
        self.refused([*predict, "--input", self.data, "--output", "p.txt"], "--output", ".csv", "p.txt", ranks=(1,))
        self.refused([*predict, "--input", self.data, "--output", "nowhere/p.csv"], "nowhere/p.csv", ranks=(1,))


class Sweeps(BadInputTestCase):
    def refused_flags(self, flags, *expected, ranks=(1,)):
        self.refused(["sweep", *flags], *expected, ranks=ranks)

    def refused_text(self, text, *expected, ranks=(1,)):
        (self.dir / "sweep.toml").write_text(text)
        self.refused_flags(["sweep.toml", "--sweep-dir", "new"], *expected, ranks=ranks)

    def refused_below_base(self, text, *expected, **options):
        self.refused_text(f'[base]\ndata = "{self.data}"\n{text}\n', *expected, **options)

    def test_flags(self):
        (self.dir / "sweep.toml").write_text(f'[base]\ndata = "{self.data}"\n[grid]\nseed = [1, 2]\n')
        self.refused_flags(["missing.toml"], "missing.toml: no such file", ranks=(1, RANKS))
        self.refused_flags(["."], ".: expected a file, found a directory")
        self.refused_flags(["good.h5"], "good.h5, line 1: expected TOML")
        (self.dir / "run/checkpoints").mkdir(parents=True)
        (self.dir / "run/config.toml").touch()
        self.refused_flags(["sweep.toml", "--sweep-dir", "run"], "--sweep-dir: expected a new directory or that of a sweep",
                           "found 'run', a run directory")
        self.refused_flags(["sweep.toml", "--sweep-dir", "good.h5"], "--sweep-dir: expected a directory",
                           "'good.h5/ledger'", ranks=(1, RANKS))
        for flags, *expected in ((["more"], "found 'more'"),
                                 (["--trials"], "--trials: expected a value, found none"),
                                 (["--trials", "1..2..3"], "--trials", "'2..3'"),
                                 (["--sweepdir", "x"], "'--sweepdir'", "did you mean '--sweep-dir'"),
                                 (["--dry-run=soon"], "--dry-run: expected no value, found 'soon'"),
                                 (["--dry-run", "--trials", "3"], "--trials: expected at most 2", "found 3"),
                                 (["--progress", "some"], "--progress", "'some'"),
                                 (["--stall-timeout", "3"], "unknown flag '--stall-timeout'")):
            self.refused_flags(["sweep.toml", *flags], *expected)

    def test_sections(self):
        self.refused_text("[gird]\nseed = [1]\n", "sweep.toml, line 1", "did you mean 'grid'", ranks=(1, RANKS))
        self.refused_text("grid = 3\n", "line 1, key 'grid'", "expected a table, as [grid]")
        self.refused_text("zip = [1]\n", "line 1, key 'zip'", "expected tables, as [[zip]]")
        self.refused_below_base("[grid]\nseed = [1", "sweep.toml, line 4: expected TOML")

    def test_base(self):
        self.refused_below_base("lerning_rate = 1", "line 3, key 'lerning_rate'", "did you mean 'learning-rate'")
        self.refused_below_base("learning_rate = -1", "line 3, key 'learning_rate'", "above 0", "'-1'")
        self.refused_below_base('resume = "auto"', "line 3, key 'resume'", "expected no resume in a sweep")

    def test_axes(self):
        for text, *expected in (
                ("[grid]\nseed = []", "line 4, key 'seed'", "expected at least one value, found none"),
                ('[grid]\nlearning_rate = [0.1, "fast"]', "line 4, key 'learning_rate'", "a number", "'fast'"),
                ("[grid]\nseed = [{ a = 1 }]", "line 4, key 'seed'", "expected a text, number, boolean or array"),
                ('[grid]\n"seed.1" = [1]', "line 4, key 'seed.1'", "seed is no list"),
                ('[grid]\n"activation.0" = ["relu"]', "line 4, key 'activation.0'", "count from 1, found 0"),
                ('[grid]\n"activation.2" = ["relu"]', "sweep.toml", "activation.1, activation.2", "without a gap"),
                ("[grid]\nseed = [1]\n[[zip]]\nseed = [1]", "line 6, key 'seed'", "an axis is given twice"),
                ("[[zip]]\nseed = [1, 2]\nepochs = [1]", "line 5, key 'epochs'", "2 values, as many as", "found 1"),
                ("[random]\ntrials = 2", "sweep.toml", "key 'random'", "`trials = n` and at least one axis"),
                ("[random]\ntrials = 0\nseed = { integers = [1, 2] }", "line 4, key 'trials'", "at least 1"),
                ("[random]\ntrials = 2\nseed = [1, 2]", "line 5, key 'seed'", "{ choice = [values] }"),
                ("[random]\ntrials = 2\nl2 = { uniform = [2, 1] }", "line 5, key 'l2'", "low ≤ high"),
                ("[random]\ntrials = 2\nl2 = { log_uniform = [0, 1] }", "line 5, key 'l2'", "low > 0"),
                ("[random]\ntrials = 2\nseed = { integers = [1.5, 2] }", "line 5, key 'seed'", "whole numbers"),
                ("[random]\ntrials = 99999999\nseed = { integers = [1, 2] }", "at most 1000000 trials", "found more"),
                ("[grid]\nseed = [1]\n[[exclude]]\nsede = 1", "line 6, key 'sede'", "did you mean 'seed'"),
                ("[grid]\nseed = [1]\n[[exclude]]\nseed = { over = 1 }", "line 6, key 'seed.over'", "above, below"),
                ("[grid]\nseed = [1]\n[[exclude]]\nseed = 1", "expected trials", "[[exclude]] leaves none")):
            self.refused_below_base(text, *expected)

    def test_settings(self):
        for text, *expected in (('metrics = "loss"', "line 4, key 'metrics'", "did you mean 'metric'"),
                                ('metric = "test_los"', "line 4, key 'metric'", "did you mean 'test_loss'"),
                                ("best = -1", "line 4, key 'best'", "at least 0"),
                                ("ranks_per_trial = 0", "line 4, key 'ranks_per_trial'", "at least 1"),
                                ("ranks_per_trial = [{ ranks = 1 }]", "key 'ranks_per_trial'", "from_parameters = n"),
                                ("halving = { factor = 1 }", "line 4, key 'halving.factor'", "at least 2"),
                                ('over = ["sede"]', "line 4, key 'over'", "did you mean 'seed'")):
            self.refused_below_base(f"[sweep]\n{text}", *expected)


class ActivationsAndDoctor(BadInputTestCase):
    def test_names_and_formulas(self):
        for name, *expected in (("relu(1)", "'relu(1)'", "relu takes no parameter"),
                                ("leaky_relu(0.2", "'leaky_relu(0.2'", "balanced parentheses"),
                                ("leaky_relu(0.1,0.2)", "expected one parameter, found 2"),
                                ("leaky_relu(nan)", "from 0 to 1000", "found nan"),
                                ("leaky_relu(-1)", "from 0 to 1000", "found -1"),
                                ("prelu(per=row)", "per=layer or per=unit", "'per=row'"),
                                ("formula(2)", "expected a function of x", "found a constant"),
                                ("formula(x)+1", "'formula(x)+1'", "expected a formula in parentheses"),
                                ("x*y", "character 3", "found 'y'"),
                                ("x+", "character 3", "found the end"),
                                ("x" + "+x" * 2000, "at most 2000 characters", "found 4001"),
                                ("", "unknown activation ''")):
            self.refused(["activations", name], *expected, ranks=(1,))

    def test_flags_of_activations(self):
        for flags, *expected in ((["check", "relu", "tanh"], "activations check", "expected one", "found 2"),
                                 (["check", "relu", "--plot", "new.html"], "--plot", "found check"),
                                 (["check", "relu", "--table", "new.csv"], "--table", "found check"),
                                 (["relu", "--plto", "new.html"], "'--plto'", "did you mean '--plot'"),
                                 (["relu", "--plot"], "--plot: expected a value, found none"),
                                 (["relu", "--plot", "good.h5"], "--plot good.h5", "a page", "found another file"),
                                 (["relu", "--table", "new.csv", "--plot", "good.h5"], "--plot good.h5", "a page"),
                                 (["relu", "--table", "new", "--plot", "new"], "--plot new", "another file than --table"),
                                 (["relu", "rleu"], "'rleu'", "did you mean 'relu'"),
                                 (["relu", "--plot", "."], ".: cannot be written", "directory"),
                                 (["relu", "--table", "good.h5"], "--table good.h5", "a table", "found another file"),
                                 (["relu", "--stall-timeout", "x"], "--stall-timeout: expected a number, found 'x'")):
            self.refused(["activations", *flags], *expected, ranks=(1,))
        self.refused(["activations", "relu", "rleu", "--plot", "new.html"], "'rleu'", "did you mean 'relu'")
        self.refused(["activations", "relu", "--table", "missing/new.csv"], "missing/new.csv: cannot be written",
                     "'missing' is not an existing directory")

    def test_flags_of_doctor(self):
        self.refused(["doctor", "--jsno"], "'--jsno'", "did you mean '--json'")
        self.refused(["doctor", "--stall-timeout", "-1"], "--stall-timeout", "at least 0", "'-1'")
        for flags, *expected in ((["--json=soon"], "--json: expected no value, found 'soon'"),
                                 (["--data"], "--data: expected a value, found none"),
                                 (["--stall-timeout", "5m"], "--stall-timeout: expected a number, found '5m'"),
                                 (["--ranks", "2"], "unknown flag '--ranks'"),
                                 (["good.h5"], "expected flags, found 'good.h5'")):
            self.refused(["doctor", *flags], *expected, ranks=(1,))


class Launch(BadInputTestCase):
    full = False  # it is one process, and says so where it is several
    TRAIN = ["--", "train", "--data", "good.h5", "--run-dir", "runs/new"]

    def refused_launch(self, flags, *expected):
        self.refused(["launch", *flags], *expected, ranks=(1,))

    def test_several_processes(self):
        self.refused(["launch", "-n", "2", *self.TRAIN], "one process", "starts the ranks itself", ranks=(RANKS,))
        self.refused(["launch", "--rnaks", "2", *self.TRAIN], "'--rnaks'", "did you mean '--ranks'", ranks=(RANKS,))
        self.refused(["--quiet", "launch", "-n", "2", *self.TRAIN], "has to be the first argument", ranks=(1,))

    def test_flags(self):
        for flags, *expected in ((["-n", "-1"], "--ranks", "'-1'"),
                                 (["-n", "1.5"], "--ranks", "'1.5'"),
                                 (["-n", "99999999999999999999"], "--ranks", "'99999999999999999999'"),
                                 (["--rank", "2"], "unknown flag '--rank'", "did you mean '--ranks'"),
                                 (["-n", "2", "more"], "found 'more'"),
                                 (["-n", "2", "--max-restarts", "-1"], "--max-restarts", "'-1'"),
                                 (["-n", "2", "--max-restarts"], "--max-restarts: expected a value, found none"),
                                 (["-n", "2", "--restart-delay", "soon"], "--restart-delay", "'soon'"),
                                 (["-n", "2", "--restart-delay", "nan"], "--restart-delay", "at least 0", "'nan'"),
                                 (["-n", "2", "--hosts", ","], "--hosts", "a:2,b:2", "','"),
                                 (["-n", "2", "--hosts", "a:0"], "--hosts", "a:2,b:2", "'a:0'"),
                                 (["-n", "2", "--hosts", ":2"], "--hosts", "a:2,b:2", "':2'"),
                                 (["-n", "2", "--launcher", " "], "--launcher", "found nothing"),
                                 (["-n", "2", "--launcher", "./good.h5"], "--launcher", "in PATH", "'./good.h5'")):
            self.refused_launch([*flags, *self.TRAIN], *expected)
        self.refused_launch(["-n"], "--ranks: expected a value, found none")
        self.refused_launch(["-n", "2", "--"], "expected -- and a command", "found none")

    def test_what_is_launched(self):
        (self.dir / "sweep.toml").write_text("[gird]\nseed = [1, 2]\n")
        for command, *expected in ((["train"], "--data: expected a dataset file", "found none"),
                                   (["train", "--data", "missing.h5"], "missing.h5: no such file"),
                                   (["train", "--data", "sweep.toml"], "sweep.toml: expected an HDF5 file"),
                                   (["train", "--data", "good.h5", "--config", "none.toml"], "--config none.toml"),
                                   (["train", "--data", "good.h5", "--lerning-rate", "1"], "'--lerning-rate'"),
                                   (["sweep"], "expected a sweep file, found none"),
                                   (["sweep", "missing.toml"], "missing.toml: no such file"),
                                   (["sweep", "sweep.toml"], "sweep.toml, line 1", "did you mean 'grid'"),
                                   (["sweep", "sweep.toml", "--sweepdir", "x"], "did you mean '--sweep-dir'")):
            self.refused_launch(["-n", "2", "--", *command], *expected)
        os.mkfifo(self.dir / "fifo")
        for command in (["train", "--config", "fifo"], ["sweep", "fifo"]):
            self.refused_launch(["-n", "2", "--", *command], "can be read again at each start, found the pipe fifo")


class Report(BadInputTestCase):
    full = False  # as Launch

    def refused_report(self, arguments, *expected, **options):
        self.refused(["report", *arguments], *expected, ranks=(1,), **options)

    def test_flags(self):
        self.refused(["report", "--figure", "x"], "'--figure'", "did you mean '--figures'", ranks=(RANKS,))
        self.refused(["--quiet", "report", "run"], "has to be the first argument", ranks=(1,))
        self.refused_report(["run"], "Python 3.11 or newer", "tried /nowhere", env={"LOCKSTEP_PYTHON": "/nowhere"})
        for flags, *expected in ((["--output"], "--output: expected a value, found none"),
                                 (["--data"], "--data: expected a value, found none"),
                                 (["--dta", "x"], "unknown flag '--dta'", "did you mean '--data'"),
                                 (["-x"], "unknown flag '-x'"),
                                 (["--format", ""], "--format: expected png or svg, found ''"),
                                 (["--stall-timeout", "3"], "unknown flag '--stall-timeout'")):
            self.refused_report(["run", *flags], *expected)

    def test_sources_and_files(self):
        self.train(self.dir / "run", "--data", self.data, "--epochs", "1", "--hidden", "3")
        os.mkfifo(self.dir / "fifo")
        (self.dir / "sweep").mkdir()
        (self.dir / "sweep/sweep.csv").write_text("a,b\n1,2\n")
        for name, file, content in (("key", "config.toml", "seed = 1\n"), ("columns", "metrics.csv", "a,b\n1,2\n"),
                                    ("text", "summary.json", "{"), ("list", "summary.json", "[]")):
            shutil.copytree(self.dir / "run", self.dir / name)
            (self.dir / name / file).write_text(content)
        for arguments, *expected in ((["run", "nowhere"], "nowhere: expected a run directory", "no such directory"),
                                     (["good.h5"], "good.h5: expected a run directory", "found a file"),
                                     (["run/checkpoints"], "run/checkpoints: expected a run", "found neither"),
                                     (["key"], "key/config.toml: expected the resolved config", "no key hidden"),
                                     (["columns"], "columns/metrics.csv: expected a table", "no column epoch"),
                                     (["text"], "text/summary.json: expected the summary of a run"),
                                     (["list"], "list/summary.json: expected the summary of a run", "list"),
                                     (["run", "sweep"], "sweep/sweep.csv: expected the table of a sweep", "no column"),
                                     (["run", "-o", "good.h5"], "--output good.h5", "a page", "found another file"),
                                     (["run", "-o", "fifo"], "--output fifo", "a page", "found another file"),
                                     (["run", "-o", "sweep"], "--output sweep", "found a directory"),
                                     (["run", "--data", "none.h5"], "--data none.h5: expected a dataset", "found none"),
                                     (["run", "--data", "key/config.toml"], "--data key/config.toml: expected a")):
            self.refused_report(arguments, *expected)


if __name__ == "__main__":
    BadInputTestCase.full = "--full" in sys.argv
    unittest.main(argv=[argument for argument in sys.argv if argument != "--full"])
