"""What the three PyTorch peers share: data, model and optimizer."""

import torch

import data
from network import initial_parameters

ACTIVATIONS = {"relu": lambda: torch.nn.ReLU(inplace=True), "tanh": torch.nn.Tanh, "sigmoid": torch.nn.Sigmoid,
               "gelu": torch.nn.GELU}


def load_tensors(path):
    """(images (rows, 784) float32, labels (rows,) int64), in memory"""
    return tuple(torch.from_numpy(array) for array in data.load(path))


def make_model(case):
    model = torch.nn.Sequential()
    parameters = initial_parameters(case)
    for number, (kernel, bias) in enumerate(parameters):
        layer = torch.nn.Linear(*kernel.shape)
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(kernel.T))
            layer.bias.copy_(torch.from_numpy(bias))
        model.append(layer)
        if number < len(parameters) - 1:
            model.append(ACTIVATIONS[case.activation]())
    return model


def make_optimizer(case, parameters):
    """The fused implementation where there is one: RMSprop has none, so it goes over all tensors at once."""
    if case.optimizer == "sgd":
        return torch.optim.SGD(parameters, lr=case.learning_rate, fused=True)
    if case.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=case.learning_rate, eps=1e-7, fused=True)
    return torch.optim.RMSprop(parameters, lr=case.learning_rate, alpha=0.9, eps=1e-7, foreach=True)
