"""The parameters that every peer starts from: lockstep's default initializers."""

import numpy


def initial_parameters(case, dtype=numpy.float32):
    """[(kernel (in, out), bias (out,)), …]: he_uniform below relu and gelu, else glorot_uniform."""
    generator = numpy.random.default_rng(0)
    layers = list(zip(case.widths[:-1], case.widths[1:]))
    parameters = []
    for number, (inputs, outputs) in enumerate(layers):
        is_output = number == len(layers) - 1
        he = case.activation in ("relu", "gelu") and not is_output
        limit = numpy.sqrt(6 / inputs if he else 6 / (inputs + outputs))
        kernel = generator.uniform(-limit, limit, (inputs, outputs)).astype(dtype)
        parameters.append((kernel, numpy.zeros(outputs, dtype)))
    return parameters
