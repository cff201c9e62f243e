"""Models of a user's own, for the tests of this folder."""

from __future__ import annotations

import torch
from torch import Tensor, nn


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


class Reader(nn.Module):
    """Reads the rows of an image as words: a table of places that stays dense, attention and a recurrent layer."""

    def __init__(self, classes: int, rows: int, width: int) -> None:
        super().__init__()
        self.places = nn.Parameter(torch.randn(rows, 8) * 0.02)
        self.enter = nn.Linear(width, 8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.recurrent = nn.GRU(8, 8, batch_first=True)
        self.head = nn.utils.parametrizations.weight_norm(nn.Linear(8, classes))

    def forward(self, images: Tensor) -> Tensor:
        rows = self.enter(images.flatten(1, 2)) + self.places
        mixed, _ = self.attention(rows, rows, rows, need_weights=False)
        out: Tensor = self.head(self.recurrent(rows + mixed)[0].mean(1))
        return out


def reader(classes: int, channels: int, height: int, width: int) -> nn.Module:
    """A network of the kinds of layers that hold more than one weight matrix, or compute one."""
    return Reader(classes, channels * height, width)


def small(classes: int, channels: int, height: int, width: int) -> nn.Module:
    """Two small layers, whose sums differ little with the order in which they are added."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(channels * height * width, 40), nn.ReLU(), nn.Linear(40, 30), nn.ReLU(),
        nn.Linear(30, classes),
    )  # fmt: skip


class _OnlyAlone(nn.Sequential):
    def forward(self, inputs: Tensor) -> Tensor:
        if torch.distributed.is_initialized() and torch.distributed.get_rank() == 1 and self.training:
            raise ValueError("no place for this part of the batch")
        out: Tensor = super().forward(inputs)  # type: ignore[no-untyped-call]  # torch leaves it untyped
        return out


def fails_on_rank_1(classes: int, channels: int, height: int, width: int) -> nn.Module:
    """A network that raises an error where it trains as rank 1."""
    return _OnlyAlone(nn.Flatten(), nn.Linear(channels * height * width, classes))
