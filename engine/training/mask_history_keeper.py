"""Records the masks at every update; see `mask_history`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.training.callbacks import Callback
from engine.training.mask_history import MaskHistory

if TYPE_CHECKING:
    from torch import Tensor

    from engine.sparsity import UpdateStats
    from engine.training.outcome import Outcome
    from engine.training.results import EpochResult
    from engine.training.training import Training

__all__ = ["MaskHistoryKeeper"]


class MaskHistoryKeeper(Callback):
    """Writes what each update changes; a failing disk ends the history, not the run.

    Args:
        path: The file.
        limit: The bytes it may have; 0 for no history.
        say: Prints a line in the run's log.
    """

    def __init__(self, path: Path, limit: int, say: Callable[[str], object]) -> None:
        self._history = MaskHistory(path, limit)
        self._say = say
        self._on = limit > 0

    def on_start(self, trainer: Training) -> None:
        """Continue here; masks that are never updated have no history."""
        masking = trainer.masking
        self._on = self._on and masking is not None and masking.config.updates_masks
        if masking is not None:
            masks, explored = masking.masks, masking.explored
            self._try(
                lambda: self._history.begin(
                    _arrays(masks), _arrays(explored), update=masking.updates, step=trainer.step
                )
            )

    def on_mask_update(self, trainer: Training, update: UpdateStats) -> None:
        """Record the update."""
        masking = trainer.masking
        if masking is not None:
            self._try(lambda: self._history.add(_arrays(masking.masks), update=update.update, step=update.step))

    def on_epoch_end(self, trainer: Training, figures: EpochResult, best: bool) -> None:
        """Bring to the disk what belongs to the checkpoint of this epoch."""
        self._try(self._history.sync)

    def on_end(self, trainer: Training, outcome: Outcome) -> None:
        """Bring all of it to the disk."""
        self._try(self._history.sync)

    def _try(self, write: Callable[[], None]) -> None:
        if not self._on:
            return
        try:
            write()
        except OSError as error:
            self._on = False
            self._say(f"the history of the masks ends here: {error.strerror or error}")
        else:
            if self._history.full:
                self._on = False
                self._say("the history of the masks ends here: mask_history_limit is reached")


def _arrays(masks: Mapping[str, Tensor]) -> dict[str, Any]:
    return {name: mask.cpu().numpy() for name, mask in masks.items()}
