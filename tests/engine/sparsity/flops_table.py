"""Our FLOPs of a forward pass beside those of torch's own counter.

python -m tests.engine.sparsity.flops_table            every classification model of torchvision, and four others
python -m tests.engine.sparsity.flops_table resnet50   those that are named
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from engine.sparsity import SparsityConfig, flops, plan_layers

__all__ = [
    "OTHERS",
    "CellGRU",
    "CellLSTM",
    "Compared",
    "SmallGPT",
    "attentive",
    "built",
    "compare",
    "torchvision_names",
]


class SmallGPT(nn.Module):
    """Two blocks, attention by a functional call, and an output layer tied to the embedding."""

    def __init__(self, vocabulary: int = 101, width: int = 32, heads: int = 4, length: int = 16) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.places = nn.Embedding(length, width)
        self.blocks = nn.ModuleList(_Block(width, heads) for _ in range(2))
        self.head = nn.Linear(width, vocabulary, bias=False)
        self.head.weight = self.tokens.weight

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (batch, length) → scores (batch, length, vocabulary)."""
        hidden: Tensor = self.tokens(tokens) + self.places(torch.arange(tokens.shape[1], device=tokens.device))
        for block in self.blocks:
            hidden = block(hidden)
        scores: Tensor = self.head(hidden)
        return scores


class _Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, hidden: Tensor) -> Tensor:
        query, key, value = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.qkv(self.before(hidden)).chunk(3, -1)
        )
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        hidden = hidden + self.out(mixed.transpose(1, 2).flatten(2))
        result: Tensor = hidden + self.mlp(hidden)
        return result


class CellLSTM(nn.Module):
    """An LSTM as a loop over a cell, which torch's counter sees on every device."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.cell = nn.LSTMCell(inputs, hidden)

    def forward(self, sequence: Tensor) -> Tensor:
        """(batch, steps, inputs) → the last state (batch, hidden)."""
        state = cell = torch.zeros(len(sequence), self.hidden, device=sequence.device)
        for step in sequence.unbind(1):
            state, cell = self.cell(step, (state, cell))
        return state


class CellGRU(nn.Module):
    """A GRU as a loop over a cell."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.cell = nn.GRUCell(inputs, hidden)

    def forward(self, sequence: Tensor) -> Tensor:
        """(batch, steps, inputs) → the last state (batch, hidden)."""
        state = torch.zeros(len(sequence), self.hidden, device=sequence.device)
        for step in sequence.unbind(1):
            state = self.cell(step, state)
        return state


class _Attentive(nn.Module):
    def __init__(self, classes: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Linear(width, 64)
        self.attention = nn.MultiheadAttention(64, 4, batch_first=True)
        self.mixing = nn.Linear(64, 64)
        self.head = nn.Linear(64, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Images (batch, channels, height, width) → scores (batch, classes)."""
        rows = self.embedding(images.flatten(1, 2))
        mixed, _ = self.attention(rows, rows, rows, need_weights=False)
        scores: Tensor = self.head(self.mixing(mixed).relu().mean(1))
        return scores


def attentive(classes: int, channels: int, height: int, width: int) -> nn.Module:
    """Builds a network whose largest weight, that of attention over an image's rows, is used without being called."""
    return _Attentive(classes, width)


def _encoder() -> nn.Module:
    layer = nn.TransformerEncoderLayer(64, 4, 128, batch_first=True)
    return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)


OTHERS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...] | Tensor]] = {
    "nn.TransformerEncoder": (_encoder, (12, 64)),
    "nn.LSTM, 2 layers": (lambda: nn.LSTM(24, 48, 2, batch_first=True), (6, 24)),
    "nn.GRU, both ways": (lambda: nn.GRU(24, 48, bidirectional=True, batch_first=True), (6, 24)),
    "LSTMCell in a loop": (lambda: CellLSTM(24, 48), (6, 24)),
    "GRUCell in a loop": (lambda: CellGRU(24, 48), (6, 24)),
    "small GPT, tied": (SmallGPT, torch.zeros(1, 16, dtype=torch.int64)),
}
"""Models that are not torchvision's: what builds each, and its input."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One model counted twice.

    Args:
        parameters: Number of its parameters.
        matrices: Number of its weights with two or more dimensions.
        ours: FLOPs of a dense forward pass of one sample.
        sparse: The same at a density of 0.1, uniform over the layers that are masked by default.
        torchs: What torch's counter says.
    """

    parameters: int
    matrices: int
    ours: int
    sparse: float
    torchs: int


def compare(model: nn.Module, inputs: tuple[int, ...] | Tensor, *, training: bool = False) -> Compared:
    """Counts a model on the meta device both ways; torch's counter may see it in training mode."""
    config = SparsityConfig(density=0.1, distribution="uniform")
    try:
        densities = {one.name: one.density for one in plan_layers(model, config)}
    except ValueError:  # it has no weight to mask
        densities = {}
    report = flops.count(model, inputs, densities)
    sample: Any = inputs if isinstance(inputs, Tensor) else torch.zeros(1, *inputs)
    model.train(training).to("meta")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(sample.to("meta"))
    return Compared(
        parameters=sum(one.numel() for one in model.parameters()),
        matrices=sum(one.numel() for one in model.parameters() if one.dim() > 1),
        ours=report.dense_forward,
        sparse=report.forward,
        torchs=counter.get_total_flops(),
    )


def torchvision_names() -> list[str]:
    """Names of torchvision's models for images."""
    import torchvision

    return [str(name) for name in torchvision.models.list_models(module=torchvision.models)]  # type: ignore[attr-defined]


def built(name: str) -> tuple[nn.Module, tuple[int, ...] | Tensor]:
    """Builds a model, on the meta device if it can; returns it with its input."""
    import torchvision

    if name in OTHERS:
        build, inputs = OTHERS[name]
    else:
        quiet = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
        build = partial(torchvision.models.get_model, name, weights=None, **quiet)  # type: ignore[attr-defined]
        inputs = (3, 299, 299) if name == "inception_v3" else (3, 224, 224)
    try:
        with torch.device("meta"):
            return build(), inputs
    except NotImplementedError:  # the regnets look at numbers while they are built
        return build(), inputs


def _rows(names: list[str]) -> Iterator[str]:
    heads = ("parameters", 14), ("matrices", 14), ("our FLOPs", 18), ("torch", 18), ("ratio", 8), ("at density 0.1", 16)
    yield "model".ljust(24) + "".join(text.rjust(width) for text, width in heads)
    for name in names:
        one = compare(*built(name))
        yield (
            f"{name:24}{one.parameters:>14,}{one.matrices:>14,}{one.ours:>18,}{one.torchs:>18,}"
            f"{one.ours / one.torchs:>8.4f}{one.sparse / one.ours:>16.3f}"
        )


if __name__ == "__main__":
    for row in _rows(sys.argv[1:] or [*torchvision_names(), *OTHERS]):
        print(row, flush=True)
