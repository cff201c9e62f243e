"""The gradient of one step: forward and backward passes over a group of batches, or over one rank's parts of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor, nn

from engine.training.optim import l1_penalty

if TYPE_CHECKING:
    from engine.config.run_config import RunConfig
    from engine.training.parallel import Ranks, Size

__all__ = ["Backward", "groups"]

Item = TypeVar("Item")


class Backward:
    """Computes the mean gradient of groups of batches.

    Args:
        config: The run's settings.
        forward: Maps inputs to logits; adds up gradients over the ranks.
        scaler: Scales losses where fp16 needs it.
        ranks: The processes that compute a part of each batch.
        autocast: Makes the precision context of one batch.
    """

    def __init__(
        self,
        config: RunConfig,
        forward: nn.Module,
        scaler: torch.amp.GradScaler,
        ranks: Ranks,
        autocast: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._l1 = config.l1
        self._forward = forward
        self._criterion = nn.CrossEntropyLoss(label_smoothing=config.label_smoothing)
        self._scaler = scaler
        self._ranks = ranks
        self._autocast = autocast

    def __call__(
        self, group: Sequence[tuple[Tensor, Tensor, Size]], penalised: Sequence[nn.Parameter]
    ) -> tuple[Tensor, Tensor]:
        """Add the gradient of a group to the parameters.

        Args:
            group: Inputs and labels of each batch, with how many of them count.
            penalised: The weights that the L1 penalty applies to.

        Returns:
            What this rank's parts add to the mean loss and to the number of correct answers.
        """
        samples = sum(size.whole for _, _, size in group)
        losses, hits = [], []
        for number, (inputs, targets, size) in enumerate(group, 1):
            with self._ranks.unsynced(self._forward, last=number == len(group)):
                with self._autocast():
                    logits = self._forward(inputs)
                    loss = self._criterion(logits, targets)
                objective = self._ranks.weighted(loss, size)
                if self._l1:
                    objective = objective + self._l1 * l1_penalty(penalised)
                loss = self._ranks.counted(loss.detach(), size, mean=True)
                if len(group) > 1:
                    share = size.whole / samples
                    loss, objective = loss * share, objective * share
                self._scaler.scale(objective).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            losses.append(loss)
            correct = (logits.detach().argmax(1) == targets).sum()
            hits.append(self._ranks.counted(correct, size, mean=False))
        return _total(losses), _total(hits)


def groups(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield lists of ``size`` items; the last takes what is left."""
    iterator = iter(items)
    while group := list(islice(iterator, size)):
        yield group


def _total(parts: Sequence[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.stack(list(parts)).sum()
