"""The layers of a run: a table at the latest mask update, or heat maps over all of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from db.records import LayerMaskStat
from itop_tui.format import plain
from itop_tui.screens.run.reader import LayerHistory, RunView
from itop_tui.widgets.heat_map import HeatMap
from itop_tui.widgets.layer_table import LayerTable, churn, summary


def _known(value: float | None) -> float:
    return float("nan") if value is None else value


_MAPS: tuple[tuple[str, Callable[[LayerMaskStat], float]], ...] = (
    ("density", lambda row: row.nonzeros / row.size if row.size else 0.0),
    ("R_s: share of weights ever active", lambda row: row.explored / row.size if row.size else 0.0),
    ("churn: share of active weights put there by each update", churn),
    ("overlap with the first mask", lambda row: _known(row.overlap_first)),
)


class LayersPane(Vertical):
    """A line about the whole network, and a table or a heat map of its layers."""

    def __init__(self, widget_id: str | None = None) -> None:
        super().__init__(id=widget_id)
        self._map = -1
        self._history: LayerHistory | None = None

    def compose(self) -> ComposeResult:
        """Lay out the pane."""
        yield Static("reading …", id="layer-summary", markup=False)
        yield LayerTable(widget_id="layer-table")
        heat = HeatMap(widget_id="layer-heat")
        heat.display = False
        yield heat

    @property
    def wants_history(self) -> bool:
        """Whether the mask updates of all layers are wanted, not only the latest."""
        return self._map >= 0

    @property
    def table(self) -> LayerTable:
        """The table."""
        return self.query_one(LayerTable)

    def next_view(self) -> None:
        """Go from the table to the first heat map, from the last one back to the table."""
        self._map = -1 if self._map == len(_MAPS) - 1 else self._map + 1
        heat = self.query_one(HeatMap)
        heat.display = self.wants_history
        self.table.display = not self.wants_history
        self._draw_map()
        if not self.wants_history:
            self.table.focus()

    def show(self, view: RunView) -> None:
        """Show what was read."""
        if view.layers is not None:
            self.query_one("#layer-summary", Static).update(self._summary(view))
            self.table.show(view.layers)
            self.table.display = not self.wants_history and bool(view.layers)
        if view.history is not None:
            self._history = view.history
            self._draw_map()

    @staticmethod
    def _summary(view: RunView) -> str:
        if view.layers:
            return f" {summary(view.layers)}"
        if not view.run.config.get("sparse", True):
            return " A dense run: all weights of every layer are active, and there is no mask to show."
        if view.run.status == "queued":
            return " The layers are known once the run starts."
        return " No mask was recorded yet." if view.run.status.is_active else " No mask was recorded."

    def _draw_map(self) -> None:
        if not self.wants_history:
            return
        title, figure = _MAPS[self._map]
        heat = self.query_one(HeatMap)
        heat.title = f"{title}   ({self._map + 1} of {len(_MAPS)}, v for the next)"
        history = self._history
        if history is None or not history.steps:
            heat.show((), (), np.zeros((0, 0)))
            return
        values = np.full((len(history.layers), len(history.steps)), np.nan)
        for row, (_, stats) in enumerate(history.layers):
            known = [figure(stat) for stat in stats[: len(history.steps)]]
            values[row, : len(known)] = known
        heat.show([plain(name, 200) for name, _ in history.layers], history.steps, values)
