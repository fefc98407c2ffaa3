"""The rows of the benchmark's table: which net, batch and optimizer each of them trains."""

import dataclasses

FEATURES, CLASSES = 784, 10


@dataclasses.dataclass(frozen=True)
class Case:
    hidden: tuple[int, ...]
    activation: str
    batch: int
    optimizer: str
    precision: str = "float32"
    rows: int | None = None  # None: as many of the training set as the time allows
    epochs: int | None = None  # given: the wall time of the whole process counts

    @property
    def widths(self):
        return (FEATURES, *self.hidden, CLASSES)

    @property
    def net(self):
        if len(self.hidden) > 2 and len(set(self.hidden)) == 1:
            return f"{FEATURES}-{self.hidden[0]}x{len(self.hidden)}-{CLASSES}"
        return "-".join(str(width) for width in self.widths)

    @property
    def name(self):
        words = [self.net, self.activation, str(self.batch), self.optimizer]
        if self.precision != "float32":
            words.append(self.precision)
        return " ".join(words)

    @property
    def is_whole_process(self):
        return self.epochs is not None

    @property
    def learning_rate(self):
        return {"sgd": 0.01, "adam": 0.001, "rmsprop": 0.001}[self.optimizer]

    @property
    def flops_per_sample(self):
        """2·in·out for each product: forward, weight gradient, and input gradient of all layers but the first."""
        layers = list(zip(self.widths[:-1], self.widths[1:]))
        return sum(2 * inputs * outputs * (2 if first else 3)
                   for first, (inputs, outputs) in zip([True] + [False] * len(layers), layers))


CASES = (
    Case((512,), "relu", 128, "sgd"),
    Case((512,), "relu", 128, "adam"),
    Case((128, 64), "relu", 32, "adam"),
    Case((128,), "relu", 128, "sgd"),
    Case((512,), "relu", 1024, "sgd"),
    Case((2048, 2048), "relu", 1024, "sgd"),
    Case((512,), "tanh", 128, "sgd"),
    Case((512,), "gelu", 128, "sgd"),
    Case((512,) * 6, "sigmoid", 128, "rmsprop"),
    Case((200,), "sigmoid", 100, "sgd", precision="float64", rows=1000, epochs=2000),
)


def case_from_dict(fields):
    """The inverse of dataclasses.asdict, after a trip through JSON."""
    return Case(**{**fields, "hidden": tuple(fields["hidden"])})
