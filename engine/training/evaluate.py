"""Loss and accuracy of a model over a split, read from the device once at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

__all__ = ["Evaluation", "Interrupted", "evaluate"]


class Interrupted(Exception):  # noqa: N818 - a signal to the caller, no error
    """An evaluation was interrupted because the run is to stop."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Mean cross-entropy (without label smoothing) and share of correct answers over a split."""

    loss: float
    accuracy: float


@torch.no_grad()
def evaluate(
    model: nn.Module,
    batches: Iterable[tuple[torch.Tensor, torch.Tensor]],
    *,
    autocast: Callable[[], AbstractContextManager[None]],
    interrupted: Callable[[], bool] = lambda: False,
    total: Callable[[torch.Tensor], torch.Tensor] = lambda sums: sums,
) -> Evaluation:
    """Evaluate a model; it is left in the mode it came in, and no generator is drawn from.

    Args:
        model: Maps inputs to logits of shape (batch, classes).
        batches: Pairs of inputs and integer targets, on the model's device.
        autocast: Makes the precision context of one batch.
        interrupted: Asked before each batch.
        total: Adds up loss, correct answers and samples, `[3]` float64, over all who evaluate a part of each batch.

    Raises:
        Interrupted: ``interrupted`` said so.
    """
    was_training = model.training
    model.eval()
    try:
        samples = 0
        loss: torch.Tensor | None = None
        correct: torch.Tensor | None = None
        for inputs, targets in batches:
            if interrupted():
                raise Interrupted
            if not len(targets):  # a batch of fewer samples than there are who evaluate
                continue
            with autocast():
                logits = model(inputs)
            batch_loss = functional.cross_entropy(logits.float(), targets, reduction="sum").double()
            batch_correct = (logits.argmax(1) == targets).sum()
            loss = batch_loss if loss is None else loss + batch_loss
            correct = batch_correct if correct is None else correct + batch_correct
            samples += len(targets)
    finally:
        model.train(was_training)
    own = torch.tensor([0.0 if loss is None else loss, 0 if correct is None else correct, samples], dtype=torch.float64)
    all_loss, all_correct, all_samples = total(own).tolist()
    if not all_samples:
        return Evaluation(float("nan"), float("nan"))
    return Evaluation(all_loss / all_samples, all_correct / all_samples)
