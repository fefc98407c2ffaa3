#!/usr/bin/env python3
"""Writes optimizer_values.hpp: what every optimizer and gradient rule makes of random weights and gradients.

Transcribed tensor by tensor from the published formulas (papers named at each function, Keras 3's documentation for
the placement of epsilon), in float64, without a look at lockstep's code.

    python3 optimizer_values.py > optimizer_values.hpp
"""
import numpy as np

SHAPES = [(5, 4), (4,), (4, 3), (3,)]  # kernel, bias, kernel, bias
STEPS = 6


class Sgd:
    """w := w - lr g"""
    def __call__(self, t, w, g, h):
        return w - h["learning_rate"] * g


class Momentum:
    """Polyak 1964 as in Keras's SGD: velocity := momentum velocity - lr g; w := w + velocity."""
    velocity = 0.0

    def __call__(self, t, w, g, h):
        self.velocity = h["momentum"] * self.velocity - h["learning_rate"] * g
        return w + self.velocity


class Nesterov(Momentum):
    """Sutskever et al. 2013 as in Keras's SGD(nesterov=True): w := w + momentum velocity - lr g."""
    def __call__(self, t, w, g, h):
        super().__call__(t, w, g, h)
        return w + h["momentum"] * self.velocity - h["learning_rate"] * g


class Adagrad:
    """Duchi et al. 2011; accumulators start at 0.1, epsilon is inside the root (Keras 3)."""
    accumulator = 0.1

    def __call__(self, t, w, g, h):
        self.accumulator = self.accumulator + g**2
        return w - h["learning_rate"] * g / np.sqrt(self.accumulator + h["epsilon"])


class Rmsprop:
    """Tieleman and Hinton 2012; epsilon is outside the root (PyTorch); momentum is heavy-ball on the increments."""
    mean_square = 0.0
    increments = 0.0

    def __call__(self, t, w, g, h):
        self.mean_square = h["rho"] * self.mean_square + (1 - h["rho"]) * g**2
        self.increments = h["momentum"] * self.increments + \
            h["learning_rate"] * g / (np.sqrt(self.mean_square) + h["epsilon"])
        return w - self.increments


class Adam:
    """Kingma and Ba 2015, with "epsilon hat": theta := theta - alpha_t m_t / (sqrt(v_t) + epsilon)."""
    m = 0.0
    v = 0.0

    def moments(self, g, h):
        self.m = h["beta1"] * self.m + (1 - h["beta1"]) * g
        self.v = h["beta2"] * self.v + (1 - h["beta2"]) * g**2

    def __call__(self, t, w, g, h):
        self.moments(g, h)
        alpha_t = h["learning_rate"] * np.sqrt(1 - h["beta2"]**t) / (1 - h["beta1"]**t)
        return w - alpha_t * self.m / (np.sqrt(self.v) + h["epsilon"])


class Adamw(Adam):
    """Loshchilov and Hutter 2019, decay scaled by the learning rate (Keras 3, PyTorch)."""
    def __call__(self, t, w, g, h):
        return super().__call__(t, w * (1 - h["learning_rate"] * h["weight_decay"]), g, h)


class Lars:
    """You, Gitman and Ginsburg 2017, algorithm 1: local rate per tensor; 1 where a norm is zero."""
    v = 0.0

    def __call__(self, t, w, g, h):
        w_norm, g_norm = np.linalg.norm(w), np.linalg.norm(g)
        local = 1.0
        if w_norm > 0 and g_norm > 0:
            local = h["trust"] * w_norm / (g_norm + h["weight_decay"] * w_norm)
        self.v = h["momentum"] * self.v + h["learning_rate"] * local * (g + h["weight_decay"] * w)
        return w - self.v


class Lamb(Adam):
    """You et al. 2020, algorithm 2 with phi the identity; decay is applied to the weights beforehand (Keras 3)."""
    def __call__(self, t, w, g, h):
        w = w * (1 - h["learning_rate"] * h["weight_decay"])
        self.moments(g, h)
        m_hat, v_hat = self.m / (1 - h["beta1"]**t), self.v / (1 - h["beta2"]**t)
        r = m_hat / (np.sqrt(v_hat) + h["epsilon"])
        w_norm, r_norm = np.linalg.norm(w), np.linalg.norm(r)
        ratio = w_norm / r_norm if w_norm > 0 and r_norm > 0 else 1.0
        return w - h["learning_rate"] * ratio * r


# Optimizer, the defaults it should have, and what a test sets besides.
ADAM = dict(learning_rate=1e-3, beta1=0.9, beta2=0.999, epsilon=1e-7)
CASES = [
    ("sgd", Sgd, dict(learning_rate=0.01), {}),
    ("momentum", Momentum, dict(learning_rate=0.01, momentum=0.9), {}),
    ("momentum", Momentum, dict(learning_rate=0.01, momentum=0.9), dict(learning_rate=0.3, momentum=0.5)),
    ("nesterov", Nesterov, dict(learning_rate=0.01, momentum=0.9), {}),
    ("nesterov", Nesterov, dict(learning_rate=0.01, momentum=0.9), dict(learning_rate=0.3, momentum=0.5)),
    ("adagrad", Adagrad, dict(learning_rate=1e-3, epsilon=1e-7), {}),
    ("adagrad", Adagrad, dict(learning_rate=1e-3, epsilon=1e-7), dict(learning_rate=0.2, epsilon=0.03)),
    ("rmsprop", Rmsprop, dict(learning_rate=1e-3, rho=0.9, momentum=0.0, epsilon=1e-7), {}),
    ("rmsprop", Rmsprop, dict(learning_rate=1e-3, rho=0.9, momentum=0.0, epsilon=1e-7),
     dict(learning_rate=0.05, rho=0.7, momentum=0.6, epsilon=0.02)),
    ("adam", Adam, ADAM, {}),
    ("adam", Adam, ADAM, dict(learning_rate=0.1, beta1=0.6, beta2=0.8, epsilon=0.05)),
    ("adamw", Adamw, ADAM | dict(weight_decay=0.004), {}),
    ("adamw", Adamw, ADAM | dict(weight_decay=0.004), dict(learning_rate=0.1, weight_decay=0.25)),
    ("lars", Lars, dict(learning_rate=1.0, momentum=0.9, trust=0.001, weight_decay=0.0), {}),
    ("lars", Lars, dict(learning_rate=1.0, momentum=0.9, trust=0.001, weight_decay=0.0),
     dict(learning_rate=0.5, momentum=0.4, trust=0.3, weight_decay=0.2)),
    ("lamb", Lamb, ADAM | dict(weight_decay=0.0), {}),
    ("lamb", Lamb, ADAM | dict(weight_decay=0.0),
     dict(learning_rate=0.1, beta1=0.7, beta2=0.9, epsilon=0.01, weight_decay=0.3)),
]


def regularized(w, g, l1, l2):
    """Gradient of l1 sum |w| + l2 sum w^2 (Keras's L1L2) added to kernels' gradients."""
    return [g_i + l1 * np.sign(w_i) + 2 * l2 * w_i if w_i.ndim == 2 else g_i for w_i, g_i in zip(w, g)]


def clipped_by_value(g, limit):
    return [np.clip(g_i, -limit, limit) for g_i in g] if limit else g


def clipped_by_norm(g, limit):
    """Pascanu, Mikolov and Bengio 2013, algorithm 1: over all tensors together."""
    norm = np.linalg.norm(flat(g))
    return [g_i * (limit / norm) for g_i in g] if limit and norm > limit else g


RULES = [dict(l1=0.01, l2=0, clip_value=0, clip_norm=0), dict(l1=0, l2=0.03, clip_value=0, clip_norm=0),
         dict(l1=0, l2=0, clip_value=0.7, clip_norm=0), dict(l1=0, l2=0, clip_value=0, clip_norm=2.5),
         dict(l1=0, l2=0, clip_value=0, clip_norm=100), dict(l1=0.2, l2=0.1, clip_value=0.9, clip_norm=1.25)]


def flat(tensors):
    return np.concatenate([t.ravel() for t in tensors])


def braces(values):
    return "{" + ", ".join(repr(float(x)) for x in values) + "}"


def print_optimizers(start, gradients):
    print("// Weights after the first and after the last step.")
    print("inline const OptimizerValue optimizer_values[] = {")
    for name, optimizer, defaults, given in CASES:
        hyperparameters = defaults | given
        states = [optimizer() for _ in start]
        w, snapshots = start, []
        for t, g in enumerate(gradients, 1):
            w = [update(t, w_i, g_i, hyperparameters) for update, w_i, g_i in zip(states, w, g)]
            snapshots.append(flat(w))
        pairs = ", ".join(f'{{"{key}", {value!r}}}' for key, value in given.items())
        print(f'    {{"{name}", {{{pairs}}},\n     {braces(snapshots[0])},\n     {braces(snapshots[-1])}}},')
    print("};\n")


def print_rules(w, g):
    print("// start and gradients[0] under the rules.")
    print("inline const RuleValue rule_values[] = {")
    for rule in RULES:
        result = regularized(w, g, rule["l1"], rule["l2"])
        result = clipped_by_norm(clipped_by_value(result, rule["clip_value"]), rule["clip_norm"])
        print(f"    {{{braces(rule.values())},\n     {braces(flat(result))}}},")
    print("};")


def main():
    random = np.random.default_rng(20260)
    start = [random.normal(size=shape) for shape in SHAPES]
    start[1] = np.zeros(SHAPES[1])  # as biases start: its norm is zero
    start[0][2, 1] = 0.0
    gradients = [[random.normal(size=shape) * random.uniform(0.1, 3) for shape in SHAPES] for _ in range(STEPS)]
    for g in gradients:
        g[0][3] = 0.0  # the weights of a pixel that is always off
        g[3][:] = 0.0  # a tensor without a gradient
    size = sum(int(np.prod(shape)) for shape in SHAPES)
    print("#pragma once\n\n// Made by optimizer_values.py; do not edit.\n\n#include <map>\n#include <string>\n")
    print('#include "lockstep/nn/optimizer.hpp"\n\nnamespace lockstep::testing {\n')
    print(f"// For a network of widths 5, 4, 3: kernel, bias, kernel, bias without padding.\n"
          f"inline constexpr int values_size = {size};\ninline constexpr int values_steps = {STEPS};\n")
    print("struct OptimizerValue {\n  std::string name;\n  std::map<std::string, double> hyperparameters;\n"
          "  double first[values_size], last[values_size];\n};\n")
    print("struct RuleValue {\n  GradientRules rules;\n  double gradient[values_size];\n};\n")
    print(f"// clang-format off\ninline constexpr double start[values_size] = {braces(flat(start))};\n")
    print("inline constexpr double gradients[values_steps][values_size] = {")
    for g in gradients:
        print(f"    {braces(flat(g))},")
    print("};\n")
    print_optimizers(start, gradients)
    print_rules(start, gradients[0])
    print("// clang-format on\n\n}  // namespace lockstep::testing")


if __name__ == "__main__":
    main()
