"""Watches one attempt of a run, and says when an alarm is due: each kind once, or once a layer."""

from __future__ import annotations

import math
import sys
from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence

from db.records import Alarm, LayerMaskStat
from engine.alarms.thresholds import Thresholds

__all__ = ["AlarmWatch"]

_BEGINNING = 20
"""Steps whose mean loss is where the loss began."""
_SMOOTHING = 0.05
_NEAR_THE_BEGINNING = 0.8
"""The share of the loss at the beginning from which on a run has lost nearly all that it had learned."""
_MOVED = 0.1
"""The share of the active weights that has to move meanwhile for exploration to be stalled, rather than nearly over."""
_ALL_EXPLORED = 0.99
"""R_s from which on there is hardly a weight left to explore."""


class AlarmWatch:
    """Is given what a run records, in order, and answers with the alarms that are due.

    Args:
        thresholds: When an alarm is due.
        raised: Kind and layer of the alarms that earlier attempts have raised.
        first: The layers of the run's first mask, where an earlier attempt has recorded it.
    """

    def __init__(
        self,
        thresholds: Thresholds,
        *,
        raised: Collection[tuple[str, str]] = (),
        first: Iterable[LayerMaskStat] = (),
    ) -> None:
        self._thresholds = thresholds
        self._raised = set(raised)
        self._first: Mapping[str, LayerMaskStat] = {layer.layer: layer for layer in first}
        self._explored: deque[tuple[int, int]] = deque(maxlen=min(thresholds.stalled_updates + 1, sys.maxsize))
        """Of the latest updates, the weights ever active and those grown."""
        self._beginning: list[float] = []
        self._smoothed = self._best = math.inf
        self._high = 0
        """The steps in a row for which the loss was far above its best."""

    def after_step(self, step: int, loss: float) -> list[Alarm]:
        """The alarms due after a step."""
        if not math.isfinite(loss):
            became = "NaN" if math.isnan(loss) else "infinite"
            return self._due("nonfinite", step, f"the loss became {became}")
        if len(self._beginning) < _BEGINNING:
            self._beginning.append(loss)
            self._smoothed = self._best = sum(self._beginning) / len(self._beginning)
            return []
        self._smoothed += _SMOOTHING * (loss - self._smoothed)
        self._best = min(self._best, self._smoothed)
        begun = sum(self._beginning) / len(self._beginning)
        far = self._smoothed > max(self._thresholds.diverged * self._best, _NEAR_THE_BEGINNING * begun)
        self._high = self._high + 1 if far else 0
        if self._high < self._thresholds.diverged_steps:
            return []
        return self._due(
            "diverged",
            step,
            f"the loss is {self._smoothed:.3g} and was {self._best:.3g}, for {self._high} steps",
        )

    def after_update(self, step: int, layers: Sequence[LayerMaskStat]) -> list[Alarm]:
        """The alarms due after a mask update, or at the first mask."""
        if not self._first:
            self._first = {layer.layer: layer for layer in layers}
        return [*self._of_layers(step, layers), *self._of_exploration(step, layers)]

    def _of_layers(self, step: int, layers: Sequence[LayerMaskStat]) -> list[Alarm]:
        found = []
        began = sum(layer.nonzeros for layer in self._first.values())
        network = sum(layer.nonzeros for layer in layers) / began if began else 1.0
        for layer in layers:
            first = self._first.get(layer.layer)
            # A layer that begins without a weight is meant to: masking refuses any other.
            began_with = first.nonzeros if first is not None else 0
            limit = self._thresholds.collapse * network * began_with
            if began_with and (layer.nonzeros == 0 or layer.nonzeros < limit):
                said = f"{layer.nonzeros:,} of {layer.size:,} weights are active; it began with {began_with:,}"
                found += self._due("collapse", step, said, layer.layer)
            outputs = layer.shape[0] if layer.shape else 0
            if layer.dead_outputs is not None and layer.dead_outputs > self._thresholds.dead_outputs * outputs:
                found += self._due(
                    "dead_outputs",
                    step,
                    f"{layer.dead_outputs:,} of {outputs:,} outputs have no active weight",
                    layer.layer,
                )
        return found

    def _of_exploration(self, step: int, layers: Sequence[LayerMaskStat]) -> list[Alarm]:
        explored = sum(layer.explored for layer in layers)
        active = sum(layer.nonzeros for layer in layers)
        size = sum(layer.size for layer in layers)
        self._explored.append((explored, sum(layer.grown for layer in layers)))
        if len(self._explored) <= self._thresholds.stalled_updates or explored >= _ALL_EXPLORED * size:
            return []
        moved = sum(grown for _, grown in list(self._explored)[1:])
        if explored > self._explored[0][0] or moved <= _MOVED * active:
            return []
        updates = self._thresholds.stalled_updates
        return self._due(
            "stalled", step, f"R_s stays at {explored / size:.3f} for {updates} mask updates, though weights move"
        )

    def _due(self, kind: str, step: int, message: str, layer: str = "") -> list[Alarm]:
        if kind not in self._thresholds.on or (kind, layer) in self._raised:
            return []
        self._raised.add((kind, layer))
        return [Alarm(kind, layer, step, message)]
