"""The interface between the training loop and everything that happens because of it.

The loop computes; recording, printing, saving and obeying commands are callbacks. They are called in the order in which
they were given, on the training's thread. Of a run on several devices, rank 0 has them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.sparsity import UpdateStats
    from engine.training.outcome import Outcome
    from engine.training.results import EpochResult, StepResult
    from engine.training.training import Training

__all__ = ["Callback"]


class Callback:
    """Does nothing at every event; override what is needed."""

    def on_start(self, trainer: Training) -> None:
        """Training is about to start or to resume: all state is in place."""

    def on_step(self, trainer: Training, figures: StepResult) -> None:
        """The results of a step arrived; on CUDA the loop may be a few steps further by then."""

    def on_step_end(self, trainer: Training) -> None:
        """The loop stands between two steps; the place to save, to wait, or to call ``trainer.stop``.

        A run on several devices stands there only after a callback has asked for it (`asks_to_meet`).
        """

    def asks_to_meet(self) -> bool:
        """Whether there is something to do between two steps; asked at every step of a run on several devices."""
        return False

    def wants_stop(self) -> str | None:
        """Whether a long evaluation should be interrupted, and why; asked before each of its batches."""
        return None

    def on_mask_update(self, trainer: Training, update: UpdateStats) -> None:
        """Weights were pruned and grown."""

    def on_epoch_end(self, trainer: Training, figures: EpochResult, best: bool) -> None:
        """An epoch is complete and validated; ``best`` if its validation accuracy is the highest so far."""

    def on_end(self, trainer: Training, outcome: Outcome) -> None:
        """Training is over, whatever the outcome; not called when an exception ended it."""
