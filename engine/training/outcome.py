"""What comes of a training: how it ended, its best epoch, its test result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from engine.training.evaluate import Evaluation

__all__ = ["Best", "Outcome", "TestFigures"]


@dataclass(frozen=True, slots=True)
class TestFigures:
    """The test set, looked at once, with the best weights (by validation) and with the last ones."""

    __test__ = False  # pytest: this is no test class

    best: Evaluation
    last: Evaluation


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a training ended; ``test`` only where it completed."""

    status: Literal["completed", "stopped", "failed"]
    reason: str | None = None
    test: TestFigures | None = None


@dataclass(frozen=True, slots=True)
class Best:
    """The best validation accuracy so far, and the model's state then, on the CPU."""

    accuracy: float
    step: int
    epoch: int
    weights: dict[str, Tensor]
