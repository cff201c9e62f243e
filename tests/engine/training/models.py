"""A model of a user's own, for the tests of this folder."""

from __future__ import annotations

from torch import nn


def noisy(classes: int, channels: int, height: int, width: int) -> nn.Module:
    """A small network with dropout and batch normalisation."""
    return nn.Sequential(
        nn.Conv2d(channels, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(4 * height * width, classes),
    )
