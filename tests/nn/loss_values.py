#!/usr/bin/env python3
"""Writes loss_values.hpp: losses of single rows and their gradients with respect to the logits.

Plain transcriptions of the textbook formulas, evaluated with mpmath to 9000 digits so that no care for overflow or
cancellation is needed.

    python3 loss_values.py > loss_values.hpp
"""
from mpmath import exp, log, mp, mpf

mp.dps = 9000


def softmax_cross_entropy(logits, true_class, smoothing):
    count = len(logits)
    targets = [(1 - smoothing) * (k == true_class) + smoothing / count for k in range(count)]
    total = sum(exp(z) for z in logits)
    probabilities = [exp(z) / total for z in logits]
    loss = -sum(t * log(p) for t, p in zip(targets, probabilities) if t != 0)
    return loss, [p - t for p, t in zip(probabilities, targets)]


def binary_cross_entropy(logits, target, smoothing):
    t = (1 - smoothing) * target + smoothing / 2
    p = 1 / (1 + exp(-logits[0]))
    loss = (-t * log(p) if t != 0 else 0) - ((1 - t) * log(1 - p) if t != 1 else 0)
    return loss, [p - t]


def main():
    softmax_rows = [([0.5, -1.25, 2.0], 0), ([0.5, -1.25, 2.0], 2), ([3.0, 3.0, 3.0], 1), ([1000.0, 0.0, -1000.0], 0),
                    ([1000.0, 0.0, -1000.0], 2), ([-5000.0, -5001.0, -5000.5], 1), ([30.0, -2.0, 0.125], 1)]
    binary_rows = [([0.0], 1), ([0.75], 1), ([0.75], 0), ([-2.5], 1), ([40.0], 1), ([40.0], 0), ([-1000.0], 1),
                   ([1000.0], 1), ([-1000.0], 0)]
    print("#pragma once\n\n// Made by loss_values.py; do not edit.\n")
    print("namespace lockstep::testing {\n")
    print("struct SoftmaxValue {\n  double logits[3];\n  int true_class;\n"
          "  double smoothing, loss, delta[3];\n};\n")
    print("struct BinaryValue {\n  double logit, target, smoothing, loss, delta;\n};\n")
    print("// clang-format off\ninline constexpr SoftmaxValue softmax_values[] = {")
    for logits, true_class in softmax_rows:
        for smoothing in (mpf(0), mpf(0.125)):
            loss, delta = softmax_cross_entropy([mpf(z) for z in logits], true_class, smoothing)
            deltas = ", ".join(repr(float(d)) for d in delta)
            print("    {{" + ", ".join(map(repr, logits)) + f"}}, {true_class}, {float(smoothing)}, {float(loss)!r}, "
                  "{" + deltas + "}},")
    print("};\n\ninline constexpr BinaryValue binary_values[] = {")
    for logits, target in binary_rows:
        for smoothing in (mpf(0), mpf(0.125)):
            loss, delta = binary_cross_entropy([mpf(z) for z in logits], mpf(target), smoothing)
            print(f"    {{{logits[0]!r}, {target}, {float(smoothing)}, {float(loss)!r}, {float(delta[0])!r}}},")
    print("};\n// clang-format on\n\n}  // namespace lockstep::testing")


if __name__ == "__main__":
    main()
