"""Peer: JAX, all threads. One jitted function trains a whole epoch.   peer_jax.py DATASET RANK

lax.scan goes over the batches of a permutation drawn on the device; parameters and optimizer state are donated.
"""

import functools
import sys

import jax
import jax.numpy as jnp

import data
import worker
from network import initial_parameters

ACTIVATIONS = {"relu": jax.nn.relu, "tanh": jnp.tanh, "sigmoid": jax.nn.sigmoid,
               "gelu": functools.partial(jax.nn.gelu, approximate=False)}


def make_update(case):
    """(state of the parameters, update(step, parameters, state, gradients) → (parameters, state)), as Keras 3."""
    tree, rate, epsilon = jax.tree.map, case.learning_rate, 1e-7
    zeros = functools.partial(tree, jnp.zeros_like)

    def sgd(step, parameters, state, gradients):
        return tree(lambda w, g: w - rate * g, parameters, gradients), state

    def rmsprop(step, parameters, state, gradients):
        state = tree(lambda v, g: 0.9 * v + 0.1 * g * g, state, gradients)
        return tree(lambda w, v, g: w - rate * g / (jnp.sqrt(v) + epsilon), parameters, state, gradients), state

    def adam(step, parameters, state, gradients):
        m = tree(lambda m, g: m + 0.1 * (g - m), state[0], gradients)
        v = tree(lambda v, g: v + 0.001 * (g * g - v), state[1], gradients)
        factor = rate * jnp.sqrt(1 - 0.999**step) / (1 - 0.9**step)
        return tree(lambda w, m, v: w - factor * m / (jnp.sqrt(v) + epsilon), parameters, m, v), (m, v)

    return {"sgd": (lambda parameters: (), sgd), "rmsprop": (zeros, rmsprop),
            "adam": (lambda parameters: (zeros(parameters), zeros(parameters)), adam)}[case.optimizer]


def make_epoch(case):
    activation = ACTIVATIONS[case.activation]
    _, update = make_update(case)

    def loss_of(parameters, x, y):
        for kernel, bias in parameters[:-1]:
            x = activation(x @ kernel + bias)
        kernel, bias = parameters[-1]
        log_probabilities = jax.nn.log_softmax(x @ kernel + bias)
        return -jnp.mean(jnp.sum(log_probabilities * jax.nn.one_hot(y, log_probabilities.shape[1]), axis=1))

    @functools.partial(jax.jit, static_argnames="rows", donate_argnums=0)
    def epoch(carry, key, images, labels, rows):
        order = jax.random.permutation(key, rows).reshape(-1, case.batch)

        def step(carry, index):
            number, parameters, state = carry
            x = images.at[index].get(mode="promise_in_bounds", unique_indices=True)
            y = labels.at[index].get(mode="promise_in_bounds", unique_indices=True)
            loss, gradients = jax.value_and_grad(loss_of)(parameters, x, y)
            parameters, state = update(number + 1, parameters, state, gradients)
            return (number + 1, parameters, state), loss

        carry, losses = jax.lax.scan(step, carry, order)
        return carry, losses[-1]

    return epoch


def main(dataset):
    images, labels = (jnp.asarray(array) for array in data.load(dataset))

    def make_train_epoch(case):
        epoch = make_epoch(case)
        parameters = [tuple(map(jnp.asarray, layer)) for layer in initial_parameters(case)]
        make_state, _ = make_update(case)
        carry = (jnp.zeros((), jnp.float32), parameters, make_state(parameters))
        key = jax.random.key(0)

        def train_epoch(rows):
            nonlocal carry, key
            key, epoch_key = jax.random.split(key)
            carry, loss = epoch(carry, epoch_key, images, labels, rows=rows)
            jax.block_until_ready(carry)
            return float(loss)

        return train_epoch

    worker.serve(make_train_epoch)


if __name__ == "__main__":
    main(sys.argv[1])
