"""What the mask updates of a run did to each layer: read once, then only the updates that are new."""

from __future__ import annotations

from dataclasses import dataclass

from db.history import metrics
from db.records import LayerMaskStat
from db.session import Database


@dataclass(frozen=True, slots=True)
class LayerHistory:
    """What the mask updates did to each layer.

    Attributes:
        steps: Step of each update.
        layers: For each layer, in order, its name and its metrics at each update.
        generation: Of two histories with the same number, the later one only adds updates to the earlier one.
    """

    steps: tuple[int, ...]
    layers: tuple[tuple[str, tuple[LayerMaskStat, ...]], ...]
    generation: int = 0


class LayerHistoryReader:
    """Reads the layers' history of one run; used by one thread at a time."""

    def __init__(self, database: Database, run_id: int) -> None:
        self._database, self._run_id = database, run_id
        self._generation: int | None = None
        self._last = -1
        self._steps: list[int] = []
        self._layers: dict[str, list[LayerMaskStat]] = {}
        self._known = LayerHistory((), ())

    def read(self, generation: int) -> LayerHistory:
        """Bring the history up to date.

        Args:
            generation: A number that changes when recorded updates may have been removed (the count of attempts).
        """
        if generation != self._generation:
            self._generation, self._last = generation, -1
            self._steps, self._layers = [], {}
            self._known = LayerHistory((), (), generation)
        new = metrics.layer_updates(self._database, self._run_id, after=self._last)
        for number, step, stats in new:
            self._last = number
            self._steps.append(step)
            for stat in stats:
                self._layers.setdefault(stat.layer, []).append(stat)
        if new:
            layers = tuple((name, tuple(stats)) for name, stats in self._layers.items())
            self._known = LayerHistory(tuple(self._steps), layers, generation)
        return self._known
