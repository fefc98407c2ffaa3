"""The promise: the same bits for any number of ranks.

By default every configuration runs on one rank and three other numbers of ranks, which change from one
configuration to the next; with --full on all of them.
"""

import itertools
import sys
import unittest

import h5py

import lockstep_cli as cli

RANKS = (1, 2, 3, 4, 5, 7, 8)
SOME_RANKS = itertools.cycle([(1, 2, 3, 7), (1, 4, 5, 8), (1, 2, 3, 5), (1, 3, 4, 7), (1, 2, 5, 8)])

# One line a run: each optimizer once at least, everything else spread over them.
CASES = {
    "sgd_openblas": "--optimizer sgd --learning-rate 0.1 --arithmetic openblas",
    "momentum": "--optimizer momentum --learning-rate 0.05",
    "nesterov_openblas_float64":
        "--optimizer nesterov --learning-rate 0.05 --precision float64 --arithmetic openblas",
    "adagrad_float64": "--optimizer adagrad --learning-rate 0.05 --precision float64",
    "rmsprop_openblas_dropout": "--optimizer rmsprop --arithmetic openblas --dropout 0.2,0.1",
    "adam_dropout_clip_norm": "--optimizer adam --dropout 0.2 --clip-norm 0.05",
    "adamw_float64_penalties": "--optimizer adamw --precision float64 --l1 1e-4 --l2 1e-3 --clip-value 0.01",
    "lars": "--optimizer lars --learning-rate 0.1 --clip-norm 0.1",
    "lamb_openblas": "--optimizer lamb --learning-rate 0.01 --arithmetic openblas",
    "lamb_float64_clip_norm":
        "--optimizer lamb --learning-rate 0.01 --precision float64 --clip-norm 0.05",
    "constraints_smoothing_schedule":
        "--constraint max_norm(0.9),unit_norm,nonneg --label-smoothing 0.1 --schedule cosine(0.1) --warmup-steps 3",
    "file_order_validation_early_stopping":
        "--shuffle off --validation-split 0.3 --early-stopping 1 --monitor val_accuracy --drop-last on",
    "stratified_validation": "--validation-split 0.25 --validation-stratified on --evaluator all",
    "mt19937": "--init-generator mt19937 --init uniform(-0.2,0.2) --activation sigmoid,tanh",
    "prelu_and_swish_of_units_clip_norm":
        "--activation prelu(per=unit),swish(trained,per=unit) --clip-norm 0.05 --dropout 0.1",
    "prelu_and_swish_lamb_openblas":
        "--activation prelu,swish(trained) --optimizer lamb --learning-rate 0.01 --arithmetic openblas",
    "formula_float64": "--activation formula(x*tanh(log(1+exp(a*x))),a=0.7) --precision float64",
    "largest_shard_count_openblas": "--batch-size 13 --shards 13 --arithmetic openblas",
}


class SameBitsForAnyRankCount(cli.CliTestCase):
    full = False

    def setUp(self):
        super().setUp()
        self.data = self.dir / "data.h5"
        cli.write_classification(self.data)  # 200 rows: 32 does not divide them

    def outcome(self, name, ranks, flags):
        """What must not depend on the number of ranks."""
        run_dir = self.dir / f"{name}-{ranks}"
        self.train(run_dir, "--data", self.data, *flags, ranks=ranks)
        self.assertEqual(cli.parameters_sha256(run_dir),
                         cli.sha256_of_checkpoint(run_dir / "checkpoints/last"))
        predictions = self.dir / f"{name}-{ranks}.csv"
        if ranks in (1, 2, 4):
            cli.run_well("predict", "--checkpoint", run_dir, "--input", self.data, "--output", predictions)
        return {"parameters_sha256": cli.parameters_sha256(run_dir), "metrics": cli.metrics_without_times(run_dir),
                "predictions": predictions.read_text() if predictions.exists() else None}

    def check(self, name, flags, most_ranks=RANKS[-1]):
        rank_counts = [ranks for ranks in (RANKS if self.full else next(SOME_RANKS)) if ranks <= most_ranks]
        flags = ["--hidden", "13,9", "--batch-size", "32", "--epochs", "2", "--seed", "5", *flags.split()]
        expected = self.outcome(name, 1, flags)
        self.assertEqual(len(expected["metrics"]), 2)
        self.assertIsNotNone(expected["predictions"])
        for ranks in rank_counts[1:]:
            with self.subTest(name, ranks=ranks):
                found = self.outcome(name, ranks, flags)
                for key, value in found.items():
                    if value is not None:
                        self.assertEqual(value, expected[key], key)

    def test_batch_not_a_multiple_of_the_shards(self):
        self.check("batch", "--batch-size 30 --shards 8")

    def test_shards_no_power_of_two(self):
        self.check("five", "--shards 5 --batch-size 23 --arithmetic openblas", most_ranks=5)
        self.check("six", "--shards 6 --batch-size 24", most_ranks=6)
        self.check("seven", "--shards 7 --batch-size 25", most_ranks=7)

    def test_fewer_rows_than_a_batch(self):
        self.check("rows", "--limit-train 19 --batch-size 32 --limit-test 11 --arithmetic openblas")
        self.check("lamb", "--limit-train 19 --batch-size 32 --shards 11 --optimizer lamb")

    def test_shards_without_rows_in_the_last_batch(self):
        self.check("short", "--limit-train 130 --batch-size 64 --evaluator all")

    def test_sparse_rows(self):
        cli.write_classification(self.data, shape=(20, 20), zeros=0.8)
        self.check("sparse", "--hidden 40,9 --batch-size 60")
        self.check("sparse_wide", "--hidden 100,100 --batch-size 60")  # slices of equal cost are not equally long
        self.check("sparse_float64", "--precision float64 --shards 5", most_ranks=5)

    def test_chunked_and_compressed_arrays(self):
        in_one_piece = self.data
        self.data = self.dir / "chunked.h5"
        with h5py.File(in_one_piece) as source, h5py.File(self.data, "w") as chunked:
            chunked.attrs.update(source.attrs)
            for name in ("train/x", "train/y", "test/x", "test/y"):
                array = source[name]
                chunks = (7, *array.shape[1:])  # of rows that several ranks need
                copy = chunked.create_dataset(name, data=array[...], chunks=chunks, compression="gzip", shuffle=True)
                copy.attrs.update(array.attrs)
        self.check("chunked", "")
        found = cli.parameters_sha256(self.dir / "chunked-1")
        self.data = in_one_piece
        self.check("in_one_piece", "", most_ranks=1)
        self.assertEqual(cli.parameters_sha256(self.dir / "in_one_piece-1"), found)

    def test_binary_and_regression(self):
        cli.write_binary(self.data)
        self.check("binary", "--dropout 0.1")
        cli.write_regression(self.data)
        self.check("regression", "--loss huber --optimizer adam --clip-norm 0.1 --evaluator all")

    def test_no_hidden_layer(self):
        self.check("linear", "--hidden none --optimizer lamb --constraint nonneg")

    def test_who_evaluates_changes_nothing(self):
        flags = ["--hidden", "9", "--epochs", "2", "--validation-split", "0.2"]
        outcomes = [self.outcome(evaluator, ranks, [*flags, "--evaluator", evaluator])
                    for evaluator, ranks in itertools.product(("rank0", "all"), (1, 4))]
        for outcome in outcomes[1:]:
            self.assertEqual(outcome, outcomes[0])

    def test_the_transport_changes_nothing(self):
        flags = ["--hidden", "90,70", "--epochs", "2", "--optimizer", "lamb", "--clip-norm", "0.05"]
        expected = self.outcome("alone", 1, flags)
        for transport, ranks in itertools.product(("auto", "shared", "messages"), (2, 5)):
            found = self.outcome(transport, ranks, [*flags, "--transport", transport])
            self.assertEqual(found["parameters_sha256"], expected["parameters_sha256"])
            self.assertEqual(found["metrics"], expected["metrics"])

    def test_without_room_for_shared_memory_ranks_exchange_messages(self):
        flags = ["--data", self.data, "--hidden", "9", "--epochs", "1"]
        self.train(self.dir / "alone", *flags)
        no_room = {"ranks": 2, "env": {"OMPI_MCA_osc_sm_backing_directory": "/does/not/exist"}}
        result = self.train(self.dir / "messages", *flags, **no_room)
        self.assertEqual((result.out + result.err).count("warning: "), 1, str(result))
        self.assertIn("/does/not/exist", result.out + result.err)
        self.assertEqual(cli.summary(self.dir / "messages")["transport"], "messages")
        self.assertEqual(cli.parameters_sha256(self.dir / "messages"), cli.parameters_sha256(self.dir / "alone"))
        refused = cli.run("train", *flags, "--run-dir", self.dir / "refused", "--transport", "shared", **no_room)
        self.assertEqual(refused.status, 2)
        self.assertEqual(refused.err.count("--transport shared"), 1, refused.err)
        self.assertFalse((self.dir / "refused").exists())

    def test_other_shard_counts_and_seeds_are_other_runs(self):
        digests = {self.outcome(f"run{i}", 1, ["--epochs", "1", "--hidden", "9", *flags.split()])["parameters_sha256"]
                   for i, flags in enumerate(("--seed 1", "--seed 2", "--seed 1 --shards 3", "--seed 1 --shards 4"))}
        self.assertEqual(len(digests), 4)

    def test_a_plain_allreduce_is_seen_to_break_the_promise(self):
        digests = {self.outcome("plain", ranks, ["--reduction", "allreduce", "--epochs", "2"])["parameters_sha256"]
                   for ranks in ((1, 2, 3, 5, 8) if self.full else (1, 2, 3, 5))}
        self.assertGreater(len(digests), 1)

    def test_evaluate_and_predict_under_mpirun(self):
        self.train(self.dir / "run", "--data", self.data, "--epochs", "1")
        report = ("evaluate", "--checkpoint", self.dir / "run", "--data", self.data, "--format", "json")
        expected = cli.run_well(*report).out
        for ranks in (2, 3):
            self.assertEqual(cli.run_well(*report, ranks=ranks).out, expected)
            predictions = [self.dir / f"{ranks}-{p}.csv" for p in (1, ranks)]
            for path, p in zip(predictions, (1, ranks)):
                cli.run_well("predict", "--checkpoint", self.dir / "run", "--input", self.data, "--output", path, ranks=p)
            self.assertEqual(predictions[0].read_bytes(), predictions[1].read_bytes())


def add_case(name, flags):
    setattr(SameBitsForAnyRankCount, f"test_{name}", lambda self: self.check(name, flags))


for case_name, case_flags in CASES.items():
    add_case(case_name, case_flags)

if __name__ == "__main__":
    SameBitsForAnyRankCount.full = "--full" in sys.argv
    unittest.main(argv=[argument for argument in sys.argv if argument != "--full"])
