"""Whole runs against a small trainer in NumPy: float64, plain gradient descent, rows in file order or shuffled."""

import itertools
import unittest

import h5py
import numpy as np

import lockstep_cli as cli

ROWS, TEST_ROWS, PIXELS, CLASSES, EPOCHS = 250, 90, 42, 5, 8
SHUFFLE, DROPOUT = 2, 3  # RandomPurpose of core/random.hpp


def softmax(logits):
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def philox(counter, key):
    """Philox 4x32-10 (Salmon et al., SC11). counter: four words of 32 bits, or arrays of such; key: two words."""
    words, (key_0, key_1), mask = [np.asarray(word, np.uint64) for word in counter], key, np.uint64(0xFFFFFFFF)
    for _ in range(10):
        product_0, product_1 = words[0] * np.uint64(0xD2511F53), words[2] * np.uint64(0xCD9E8D57)
        words = [product_1 >> np.uint64(32) ^ words[1] ^ np.uint64(key_0), product_1 & mask,
                 product_0 >> np.uint64(32) ^ words[3] ^ np.uint64(key_1), product_0 & mask]
        key_0, key_1 = (key_0 + 0x9E3779B9) % 2**32, (key_1 + 0xBB67AE85) % 2**32
    return words


def random_bits(seed, purpose, high, low, elements):
    """64 bits for each element of the stream (high, low) of what the numbers are for."""
    key = [int(word) for word in philox((seed, 0, purpose, 0), (0, 0))[:2]]
    words = philox((np.arange(elements), 0, high, low), key)
    return words[1] << np.uint64(32) | words[0]


def shuffled_batches(rows, batch_size, shards, seed, epoch):
    """Row i stands at position i mod batch_size; shards own neighbouring positions and permute their rows alone."""
    parts = []
    for shard, positions in enumerate(np.array_split(range(batch_size), shards)):
        own = [row for row in range(rows) if row % batch_size in positions]
        bits = [int(word) for word in random_bits(seed, SHUFFLE, epoch, shard, len(own))]
        for last in reversed(range(1, len(own))):
            other = bits[last] * (last + 1) >> 64
            own[last], own[other] = own[other], own[last]
        parts.append([own[i : i + len(positions)] for i in range(0, len(own), len(positions))])
    return [sum(micro_batches, []) for micro_batches in itertools.zip_longest(*parts, fillvalue=[])]


class Reference:
    """Softmax and cross-entropy. Layers: y = x·W + b, W drawn layer after layer by np.random.random, b starts as 0.
    dropout: for each hidden layer the share of outputs that are 0 in training, while the others grow to the same mean
    (Srivastava et al. 2014)."""

    def __init__(self, widths, ranges, seed, function=None, derivative=None, constraint=lambda kernel: kernel,
                 dropout=None):
        self.seed, self.steps, self.dropout = seed, 0, dropout or [0.0] * (len(widths) - 2)
        np.random.seed(seed)
        self.kernels = [low + (high - low) * np.random.random(shape)
                        for (low, high), shape in zip(ranges, zip(widths, widths[1:]))]
        self.biases = [np.zeros(width) for width in widths[1:]]
        self.function, self.derivative, self.constraint = function, derivative, constraint

    def kept(self, layer, rows, training):
        """The factors of a hidden layer's outputs (rows, width)."""
        width, rate = len(self.biases[layer]), self.dropout[layer] if training else 0
        bits = random_bits(self.seed, DROPOUT, layer << 16, self.steps, rows * width)
        return ((bits >> np.uint64(11)) * 2.0**-53 >= rate).reshape(rows, width) / (1 - rate)

    def logits(self, x, training=False):
        self.inputs, self.sums, self.factors = [x], [], []
        for layer, (kernel, bias) in enumerate(zip(self.kernels, self.biases)):
            self.sums.append(self.inputs[-1] @ kernel + bias)
            if layer + 1 < len(self.kernels):
                self.factors.append(self.kept(layer, len(x), training))
                self.inputs.append(self.factors[-1] * self.function(self.sums[-1]))
        return self.sums[-1]

    def step(self, x, y, rate):
        """One update. Returns the sum of the loss and the number of rows that were right before it."""
        logits, rows = self.logits(x, training=True), np.arange(len(y))
        delta = softmax(logits)
        loss = -np.log(delta[rows, y]).sum()
        delta[rows, y] -= 1
        for layer in reversed(range(len(self.kernels))):
            kernel_gradient, bias_gradient = self.inputs[layer].T @ delta / len(y), delta.sum(0) / len(y)
            if layer > 0:
                delta = delta @ self.kernels[layer].T * self.factors[layer - 1] * self.derivative(self.sums[layer - 1])
            self.kernels[layer] = self.constraint(self.kernels[layer] - rate * kernel_gradient)
            self.biases[layer] = self.biases[layer] - rate * bias_gradient
        self.steps += 1
        return loss, (logits.argmax(1) == y).sum()


class AgainstNumPy(cli.CliTestCase):
    def check(self, reference, rate, batch_size, flags, shuffled_shards=None):
        """Rows in file order, by different numbers of shards, or those of `shuffled_shards` shards shuffled."""
        data = self.dir / "data.h5"
        cli.write_classification(data, ROWS, TEST_ROWS, (6, 7), CLASSES)
        with h5py.File(data) as file:
            x, test_x = (file[f"{split}/x"][...].reshape(-1, PIXELS) / 255.0 for split in ("train", "test"))
            y, test_y = (file[f"{split}/y"][...].astype(int) for split in ("train", "test"))
        expected = []
        for epoch in range(EPOCHS):
            batches = [slice(i, i + batch_size) for i in range(0, ROWS, batch_size)]
            if shuffled_shards:
                batches = shuffled_batches(ROWS, batch_size, shuffled_shards, reference.seed, epoch)
            sums = [reference.step(x[batch], y[batch], rate) for batch in batches]
            expected.append((*np.sum(sums, 0) / ROWS, (reference.logits(test_x).argmax(1) == test_y).mean()))
        for shards, ranks, arithmetic in ((1, 1, "openblas"), (5, 3, "openblas"), (4, 2, "exact")):
            run_dir = self.dir / f"run-{ranks}-{arithmetic}"
            self.train(run_dir, "--data", data, "--precision", "float64", "--init-generator", "mt19937", "--optimizer",
                       "sgd", "--learning-rate", rate, "--batch-size", batch_size, "--epochs", EPOCHS,
                       "--shards", shuffled_shards or shards, "--arithmetic", arithmetic,
                       "--shuffle", "on" if shuffled_shards else "off", *flags, ranks=ranks)
            for row, (loss, accuracy, test_accuracy) in zip(cli.metrics(run_dir), expected, strict=True):
                self.assertAlmostEqual(float(row["loss"]), loss, delta=1e-11)
                self.assertAlmostEqual(float(row["accuracy"]), accuracy, delta=1e-12)
                self.assertAlmostEqual(float(row["test_accuracy"]), test_accuracy, delta=1e-12)
            layers = cli.checkpoint_layers(run_dir / "checkpoints/last")
            for (kernel, bias), own_kernel, own_bias in zip(layers, reference.kernels, reference.biases, strict=True):
                np.testing.assert_allclose(kernel, own_kernel, rtol=0, atol=1e-11)
                np.testing.assert_allclose(bias, own_bias, rtol=0, atol=1e-11)

    def test_leaky_relu_with_a_range_for_each_layer(self):
        reference = Reference([PIXELS, 16, 12, CLASSES], [(-0.01, 0.01), (-0.1, 0.1), (-0.2, 0.3)], 5,
                              lambda z: np.where(z > 0, z, 0.2 * z), lambda z: np.where(z > 0, 1.0, 0.2))
        self.check(reference, 0.5, 70, ["--hidden", "16,12", "--activation", "leaky_relu(0.2)", "--seed", 5, "--init",
                                        "uniform(-0.01,0.01),uniform(-0.1,0.1),uniform(-0.2,0.3)"])

    def test_no_hidden_layer_with_weights_that_stay_positive(self):
        reference = Reference([PIXELS, CLASSES], [(-0.1, 0.1)], 8, constraint=lambda kernel: np.maximum(kernel, 0))
        self.check(reference, 0.2, 50, ["--hidden", "none", "--constraint", "nonneg", "--init", "uniform(-0.1,0.1)",
                                        "--seed", 8])

    def check_two_hidden_layers(self, activation, function, derivative):
        reference = Reference([PIXELS, 20, 15, CLASSES], [(-0.5, 0.5)] * 3, 3, function, derivative)
        self.check(reference, 0.3, 64, ["--hidden", "20,15", "--activation", activation, "--seed", 3, "--init",
                                        "uniform(-0.5,0.5)"])

    def test_sigmoid(self):
        self.check_two_hidden_layers("sigmoid", lambda z: 1 / (1 + np.exp(-z)), lambda z: np.exp(-z) / (1 + np.exp(-z)) ** 2)

    def test_tanh(self):
        self.check_two_hidden_layers("tanh", np.tanh, lambda z: 1 - np.tanh(z) ** 2)

    def test_dropout_and_shuffled_rows(self):
        reference = Reference([PIXELS, 20, 15, CLASSES], [(-0.5, 0.5)] * 3, 7, np.tanh, lambda z: 1 - np.tanh(z) ** 2,
                              dropout=[0.2, 0.4])
        self.check(reference, 0.3, 47, ["--hidden", "20,15", "--activation", "tanh", "--dropout", "0.2,0.4", "--seed", 7,
                                        "--init", "uniform(-0.5,0.5)"], shuffled_shards=6)


if __name__ == "__main__":
    unittest.main()
