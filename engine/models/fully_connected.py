"""Fully connected networks: LeNet-300-100 (LeCun et al., 1998) and SET's CIFAR-10 perceptron (Mocanu et al., 2018)."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from engine.models.shape import InputShape

__all__ = ["lenet300_100", "mlp_cifar10"]


def _perceptron(shape: InputShape, hidden: tuple[int, ...]) -> nn.Sequential:
    layers: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten())
    features = shape.channels * shape.height * shape.width
    for number, width in enumerate(hidden, start=1):
        layers[f"hidden{number}"] = nn.Linear(features, width)
        layers[f"relu{number}"] = nn.ReLU(inplace=True)
        features = width
    layers["classifier"] = nn.Linear(features, shape.classes)
    return nn.Sequential(layers)


def lenet300_100(shape: InputShape) -> nn.Module:
    """Build LeNet-300-100: every pixel into 300 and then 100 rectified units."""
    return _perceptron(shape, (300, 100))


def mlp_cifar10(shape: InputShape) -> nn.Module:
    """Build the perceptron published for CIFAR-10: every pixel into 1,024 and then 512 rectified units."""
    return _perceptron(shape, (1024, 512))
