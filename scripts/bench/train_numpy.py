"""The plain NumPy program that the float64 row is compared with.   train_numpy.py DATASET CASE_AS_JSON"""

import json
import sys

import numpy

import data
from cases import case_from_dict
from network import initial_parameters


def forward(parameters, x):
    """Sigmoid layers, softmax: the values of every layer, the input first."""
    values = [x]
    for kernel, bias in parameters[:-1]:
        values.append(1 / (1 + numpy.exp(-(values[-1] @ kernel + bias))))
    kernel, bias = parameters[-1]
    logits = values[-1] @ kernel + bias
    exponentials = numpy.exp(logits - logits.max(axis=1, keepdims=True))
    values.append(exponentials / exponentials.sum(axis=1, keepdims=True))
    return values


def step(parameters, x, y, learning_rate):
    """The sum of the rows' losses, and how many were classified correctly."""
    values = forward(parameters, x)
    probabilities = values[-1]
    rows = numpy.arange(len(y))
    loss = -numpy.log(probabilities[rows, y]).sum()
    correct = (probabilities.argmax(axis=1) == y).sum()
    delta = probabilities.copy()
    delta[rows, y] -= 1
    delta /= len(y)
    for number in reversed(range(len(parameters))):
        kernel, bias = parameters[number]
        kernel_gradient, bias_gradient = values[number].T @ delta, delta.sum(axis=0)
        if number > 0:
            delta = (delta @ kernel.T) * values[number] * (1 - values[number])
        kernel -= learning_rate * kernel_gradient
        bias -= learning_rate * bias_gradient
    return loss, correct


def main(dataset, case):
    images, labels = data.load(dataset, rows=case.rows, dtype=numpy.float64)
    parameters = initial_parameters(case, numpy.float64)
    generator = numpy.random.default_rng(0)
    for _ in range(case.epochs):
        order = generator.permutation(case.rows)
        sums = [step(parameters, images[index], labels[index], case.learning_rate)
                for index in order.reshape(-1, case.batch)]
        loss = sum(loss for loss, _ in sums) / case.rows
        accuracy = sum(correct for _, correct in sums) / case.rows
    test_images, test_labels = data.load(dataset, "test", dtype=numpy.float64)
    test_accuracy = (forward(parameters, test_images)[-1].argmax(axis=1) == test_labels).mean()
    print(f"loss {loss} accuracy {accuracy} test accuracy {test_accuracy}")


if __name__ == "__main__":
    main(sys.argv[1], case_from_dict(json.loads(sys.argv[2])))
