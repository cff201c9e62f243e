"""What callbacks and the saved state see of a training: the part of `Trainer` that they may use.

It is a protocol, so that callbacks do not depend on the training loop, which calls them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from engine.config.run_config import RunConfig
    from engine.sparsity import LayerStats, Masking
    from engine.training.accounting import FlopsMeter
    from engine.training.outcome import Best
    from engine.training.parallel import Ranks
    from engine.training.results import EpochSums, Throughput

__all__ = ["Training"]


class Training(Protocol):
    """A training that is set up or under way; `engine.training.trainer.Trainer` documents the attributes."""

    config: RunConfig
    device: torch.device
    model: nn.Module
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    masking: Masking | None
    flops: FlopsMeter
    throughput: Throughput
    sums: EpochSums
    best: Best | None
    diverged: str | None
    step: int
    epoch: int
    batch: int
    steps_per_epoch: int
    last_step: int
    ranks: Ranks
    total_steps: int
    density: float
    itop_rate: float

    @property
    def death_rate(self) -> float:
        """ζ at this step; 0 where nothing ever dies."""

    def mask(self, left_dense: Sequence[str] = ()) -> None:
        """Mask the model as configured, but for some parameters."""

    def stop(self, reason: str) -> None:
        """End the run before its next step; the first reason counts."""

    def record(self, **values: Tensor | float) -> None:
        """Record further metrics with the present step; any thread may."""

    def flush(self) -> None:
        """Deliver the results of all steps taken so far."""

    def layer_stats(self) -> list[LayerStats]:
        """Return the layers as they are; of a dense run, all of them at density 1."""

    def best_weights(self) -> dict[str, Tensor]:
        """Return the model's state at its best validation, on the CPU."""

    def state_dict(self) -> dict[str, Any]:
        """Return everything needed to resume."""

    def load_state_dict(self, saved: Mapping[str, Any], *, fork: bool = False) -> None:
        """Resume from what `state_dict` returned."""
