"""The digests of trained weights in digests.json: with the exact arithmetic they are the same on every machine, with
every compiler and in every instruction set. A change of bits is a decision: `digests_test.py --update` writes the table
anew, and the CHANGELOG says why.
"""

import json
import pathlib
import re
import sys
import unittest

import lockstep_cli as cli
import numpy as np

TABLE = pathlib.Path(__file__).with_name("digests.json")
TRAINING_BITS = pathlib.Path(__file__).parents[1] / "nn" / "training_bits_test.cpp"
INSTRUCTION_SETS = ("baseline", "avx2", "avx512")  # a machine without one takes the widest it has

CASES = {
    "relu, sgd": "--activation relu --optimizer sgd --learning-rate 0.1",
    "tanh and sigmoid, momentum": "--activation tanh,sigmoid --optimizer momentum --learning-rate 0.05",
    "gelu, adam": "--activation gelu --optimizer adam",
    "elu and softplus, adamw, float64": "--activation elu,softplus --optimizer adamw --precision float64",
    "silu and mish, rmsprop, dropout": "--activation silu,mish --optimizer rmsprop --dropout 0.2",
    "selu, lamb, clip-norm": "--activation selu --optimizer lamb --learning-rate 0.01 --clip-norm 0.5",
    "leaky_relu and sine, lars": "--activation leaky_relu(0.2),sine --optimizer lars --learning-rate 0.1",
    "gelu_tanh and gaussian, nesterov, float64":
        "--activation gelu_tanh,gaussian --optimizer nesterov --learning-rate 0.05 --precision float64",
    "hardswish and softsign, adagrad, penalties":
        "--activation hardswish,softsign --optimizer adagrad --l1 1e-4 --l2 1e-3 --clip-value 0.01",
    "tanhshrink, cosine, label smoothing":
        "--activation tanhshrink --schedule cosine(0.1) --warmup-steps 3 --label-smoothing 0.1",
    "prelu and trained swish, adam": "--activation prelu,swish(trained) --optimizer adam",
    "prelu and trained swish per unit, lamb, float64":
        "--activation prelu(0,per=unit),swish(trained,1.5,per=unit) --optimizer lamb --learning-rate 0.01 --precision float64",
    "formulas, rmsprop":
        "--activation formula(x*tanh(log(1+exp(x)))),formula(if(x>0,atan(x),a*x)+0.1*cos(x)^3,a=0.2) --optimizer rmsprop",
    "no hidden layer, nonneg": "--hidden none --constraint nonneg --optimizer sgd --learning-rate 0.05",
    "orthogonal, max_norm, five shards": "--init orthogonal --constraint max_norm(0.9) --shards 5 --batch-size 23",
    "random normals, mt19937": "--init truncated_normal(0,0.1) --init-generator mt19937 --seed 7",
}


def rows(count, seed):
    """Images, most of whose pixels are zero, and their classes: from integers only, the same everywhere."""
    state = np.uint64(seed)
    x, y = np.zeros((count, 11, 13), np.uint8), np.zeros(count, np.uint8)
    for i in range(count):
        y[i] = i % 5
        for pixel in range(30):
            state = np.uint64((int(state) * 6364136223846793005 + 1442695040888963407) % 2**64)
            row, column = (int(state >> np.uint64(40)) + 2 * int(y[i])) % 11, int(state >> np.uint64(50)) % 13
            x[i, row, column] = int(state >> np.uint64(33)) % 255 + 1 if row != int(y[i]) else 255
    return x, y


def images(count):
    """The images of TRAINING_BITS."""
    state = 1
    x, y = np.zeros((count, 784), np.uint8), (np.arange(count) % 10).astype(np.uint8)
    for i in range(count):
        for _ in range(200):
            state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
            x[i, (i % 10 * 75 + (state >> 40) % 400) % 784] = (state >> 33) % 255 + 1
    return x.reshape(count, 28, 28), y


class DigestsOfTrainedWeights(cli.CliTestCase):
    def setUp(self):
        super().setUp()
        self.data = self.dir / "data.h5"
        cli.write_dataset(self.data, *rows(150, 1), *rows(20, 2))

    def digest(self, flags, instruction_set):
        run_dir = self.dir / "run"
        self.train(run_dir, "--data", self.data, "--resume", "never", "--hidden", "19,12", "--batch-size", "32", "--epochs", "2",
                   "--arithmetic", "exact", *flags.split(), env={"LOCKSTEP_ISA": instruction_set})
        return cli.parameters_sha256(run_dir)

    def test_equal_the_table_in_every_instruction_set(self):
        table = json.loads(TABLE.read_text())
        self.assertEqual(list(table), list(CASES))
        for (name, flags), instruction_set in ((case, s) for case in CASES.items() for s in INSTRUCTION_SETS):
            with self.subTest(name, instruction_set=instruction_set):
                self.assertEqual(self.digest(flags, instruction_set), table[name])

    def test_three_epochs_equal_those_of_a_loop_without_the_trainer(self):
        data, run_dir = self.dir / "images.h5", self.dir / "images"
        cli.write_dataset(data, *images(2010))
        self.train(run_dir, "--data", data, "--hidden", "128,64", "--activation", "relu", "--init", "glorot_uniform",
                   "--optimizer", "adam", "--learning-rate", "1e-3", "--batch-size", "32", "--epochs", "3", "--seed", "0")
        [expected] = re.findall('ThreeEpochsOfFloatWithoutZeros.*?"([0-9a-f]{64})"', TRAINING_BITS.read_text(), re.DOTALL)
        self.assertEqual(cli.parameters_sha256(run_dir), expected)


def update():
    test = DigestsOfTrainedWeights()
    test.setUp()
    TABLE.write_text(json.dumps({name: test.digest(flags, "avx512") for name, flags in CASES.items()}, indent=2) + "\n")
    test.doCleanups()


if __name__ == "__main__":
    update() if "--update" in sys.argv else unittest.main()
