"""Fully connected networks: LeNet-300-100 (LeCun et al., 1998) and SET's CIFAR-10 perceptron (Mocanu et al., 2018)."""

from __future__ import annotations

from itertools import pairwise

from torch import nn

from engine.models.shape import InputShape

__all__ = ["lenet300_100", "mlp_cifar10"]


def _perceptron(shape: InputShape, hidden: tuple[int, ...]) -> nn.Sequential:
    widths = (shape.channels * shape.height * shape.width, *hidden)
    layers: list[nn.Module] = [nn.Flatten()]
    for fan_in, fan_out in pairwise(widths):
        layers += [nn.Linear(fan_in, fan_out), nn.ReLU(inplace=True)]
    layers.append(nn.Linear(widths[-1], shape.classes))
    return nn.Sequential(*layers)


def lenet300_100(shape: InputShape) -> nn.Module:
    """Build LeNet-300-100: every pixel into 300 and then 100 rectified units."""
    return _perceptron(shape, (300, 100))


def mlp_cifar10(shape: InputShape) -> nn.Module:
    """Build the perceptron published for CIFAR-10: every pixel into 1,024 and then 512 rectified units."""
    return _perceptron(shape, (1024, 512))
