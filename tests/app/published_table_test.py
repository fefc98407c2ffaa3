"""A published training of 1000 MNIST images, digit for digit: plain SGD in float64, weights as NumPy draws them.

By default up to epoch 201; with --full all 2000 epochs, and on every number of ranks.
"""

import decimal
import itertools
import sys
import unittest

import lockstep_cli as cli

TRAIN_ROWS, TEST_ROWS, BATCH_SIZE = 1000, 10000, 100
FLAGS = ["--limit-train", TRAIN_ROWS, "--precision", "float64", "--hidden", 200, "--activation", "sigmoid",
         "--init", "uniform(-0.5,0.5)", "--init-generator", "mt19937", "--seed", 3, "--optimizer", "sgd",
         "--learning-rate", 0.05, "--batch-size", BATCH_SIZE, "--epochs", 2000, "--shuffle", "off",
         "--evaluate-every", 200]

# epoch: sum of the loss over the epoch, training accuracy, test accuracy
TABLE = {
    1: ("3043.921", "0.133", "0.197"),
    201: ("150.026", "0.979", "0.851"),
    401: ("65.080", "0.999", "0.860"),
    601: ("37.565", "1.000", "0.863"),
    801: ("25.463", "1.000", "0.864"),
    1001: ("18.916", "1.000", "0.866"),
    1201: ("14.890", "1.000", "0.867"),
    1401: ("12.193", "1.000", "0.867"),
    1601: ("10.275", "1.000", "0.868"),
    1801: ("8.848", "1.000", "0.869"),
    2000: ("7.753", "1.000", "0.870"),
}
SHORT_EPOCHS = 201


def rounded(value):
    """To three decimals, halves up, as the table is printed."""
    return str(value.quantize(decimal.Decimal("0.001"), decimal.ROUND_HALF_UP))


def share(text, rows):
    """The accuracy of `rows` rows without the last bits that a division costs."""
    return decimal.Decimal(round(float(text) * rows)) / rows


def printed(row):
    """A row of metrics.csv as the table prints it."""
    return (rounded(decimal.Decimal(row["loss"]) * TRAIN_ROWS), rounded(share(row["accuracy"], TRAIN_ROWS)),
            rounded(share(row["test_accuracy"], TEST_ROWS)))


class PublishedTable(cli.MnistTestCase):
    full = False

    def check(self, shards, ranks):
        run_dir = self.dir / f"run-{shards}-{ranks}"
        limit = [] if self.full else ["--max-steps", SHORT_EPOCHS * TRAIN_ROWS // BATCH_SIZE]
        self.train(run_dir, "--data", self.data, *FLAGS, "--shards", shards, *limit, ranks=ranks, timeout=900)
        rows = {int(row["epoch"]): row for row in cli.metrics(run_dir)}
        expected = {epoch: row for epoch, row in TABLE.items() if self.full or epoch <= SHORT_EPOCHS}
        self.assertEqual({epoch: printed(rows[epoch]) for epoch in expected}, expected)
        evaluated = {epoch for epoch, row in rows.items() if row["test_accuracy"]}
        self.assertEqual(evaluated, set(expected))
        return cli.parameters_sha256(run_dir)

    def test_one_shard(self):
        self.check(1, 1)

    def test_four_shards(self):
        digests = {self.check(4, ranks) for ranks in ((1, 2, 3) if self.full else (2,))}
        self.assertEqual(len(digests), 1)

    def test_every_number_of_ranks_prints_the_first_epoch(self):
        for shards, ranks in itertools.product((1, 4), (1, 2, 3)):
            if ranks > shards:
                continue
            run_dir = self.dir / f"first-{shards}-{ranks}"
            self.train(run_dir, "--data", self.data, *FLAGS, "--shards", shards, "--max-steps",
                       TRAIN_ROWS // BATCH_SIZE, ranks=ranks)
            [row] = cli.metrics(run_dir)
            self.assertEqual(printed(row), TABLE[1], f"{shards} shards on {ranks} ranks")


if __name__ == "__main__":
    PublishedTable.full = "--full" in sys.argv
    unittest.main(argv=[argument for argument in sys.argv if argument != "--full"])
