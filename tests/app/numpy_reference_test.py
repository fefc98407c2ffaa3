"""Whole runs against a trainer of forty lines of NumPy: float64, plain gradient descent, rows in file order."""

import unittest

import h5py
import numpy as np

import lockstep_cli as cli

ROWS, TEST_ROWS, PIXELS, CLASSES, EPOCHS = 250, 90, 42, 5, 8


def softmax(logits):
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


class Reference:
    """Softmax and cross-entropy. Layers: y = x·W + b, W drawn layer after layer by np.random.random, b starts as 0."""

    def __init__(self, widths, ranges, seed, function=None, derivative=None, constraint=lambda kernel: kernel):
        np.random.seed(seed)
        self.kernels = [low + (high - low) * np.random.random(shape)
                        for (low, high), shape in zip(ranges, zip(widths, widths[1:]))]
        self.biases = [np.zeros(width) for width in widths[1:]]
        self.function, self.derivative, self.constraint = function, derivative, constraint

    def logits(self, x):
        self.inputs, self.sums = [x], []
        for layer, (kernel, bias) in enumerate(zip(self.kernels, self.biases)):
            self.sums.append(self.inputs[-1] @ kernel + bias)
            if layer + 1 < len(self.kernels):
                self.inputs.append(self.function(self.sums[-1]))
        return self.sums[-1]

    def step(self, x, y, rate):
        """One update. Returns the sum of the loss and the number of rows that were right before it."""
        logits, rows = self.logits(x), np.arange(len(y))
        delta = softmax(logits)
        loss = -np.log(delta[rows, y]).sum()
        delta[rows, y] -= 1
        for layer in reversed(range(len(self.kernels))):
            kernel_gradient, bias_gradient = self.inputs[layer].T @ delta / len(y), delta.sum(0) / len(y)
            if layer > 0:
                delta = delta @ self.kernels[layer].T * self.derivative(self.sums[layer - 1])
            self.kernels[layer] = self.constraint(self.kernels[layer] - rate * kernel_gradient)
            self.biases[layer] = self.biases[layer] - rate * bias_gradient
        return loss, (logits.argmax(1) == y).sum()


class AgainstNumPy(cli.CliTestCase):
    def check(self, reference, rate, batch_size, flags):
        data = self.dir / "data.h5"
        cli.write_classification(data, ROWS, TEST_ROWS, (6, 7), CLASSES)
        with h5py.File(data) as file:
            x, test_x = (file[f"{split}/x"][...].reshape(-1, PIXELS) / 255.0 for split in ("train", "test"))
            y, test_y = (file[f"{split}/y"][...].astype(int) for split in ("train", "test"))
        expected = []
        for _ in range(EPOCHS):
            sums = [reference.step(x[i : i + batch_size], y[i : i + batch_size], rate) for i in range(0, ROWS, batch_size)]
            expected.append((*np.sum(sums, 0) / ROWS, (reference.logits(test_x).argmax(1) == test_y).mean()))
        for shards, ranks, arithmetic in ((1, 1, "openblas"), (5, 3, "openblas"), (4, 2, "exact")):
            run_dir = self.dir / f"run-{shards}"
            self.train(run_dir, "--data", data, "--precision", "float64", "--init-generator", "mt19937", "--optimizer",
                       "sgd", "--learning-rate", rate, "--shuffle", "off", "--batch-size", batch_size, "--epochs", EPOCHS,
                       "--shards", shards, "--arithmetic", arithmetic, *flags, ranks=ranks)
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


if __name__ == "__main__":
    unittest.main()
