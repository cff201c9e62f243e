"""The layers of a run: a table at the latest mask update, or heat maps over all of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import DataTable, Static

from db.records import LayerMaskStat
from itop_tui.chart.heat_map import HeatMap
from itop_tui.figures.format import plain, r_s, share
from itop_tui.figures.update_metrics import churn, density, explored
from itop_tui.run.layer_table import LayerTable, summary
from itop_tui.run.run_reader import LayerHistory, RunView


def _known(value: float | None) -> float:
    return float("nan") if value is None else value


def _dead(dead: int | None, of: int) -> float:
    return float("nan") if dead is None or not of else dead / of


_MAPS: tuple[tuple[str, Callable[[LayerMaskStat], float]], ...] = (
    ("density", density),
    ("R_s: share of weights ever active", explored),
    ("churn: share of active weights put there by each update", churn),
    ("survival: share of what the update before has grown that is still active", lambda row: _known(row.survival)),
    ("overlap with the mask before", lambda row: _known(row.overlap_previous)),
    ("overlap with the first mask", lambda row: _known(row.overlap_first)),
    ("dead outputs: share of neurons or channels without an active weight",
     lambda row: _dead(row.dead_outputs, row.shape[0] if row.shape else 0)),
    ("dead inputs: share of inputs that no active weight reads",
     lambda row: _dead(row.dead_inputs, row.shape[1] if len(row.shape) > 1 else 0)),
)  # fmt: skip
_SIDE_BY_SIDE = 170
"""Columns from which on the table and a heat map stand beside each other."""


class LayersPane(Vertical):
    """A line about the whole network, and a table or a heat map of its layers."""

    class LayersWanted(Message):
        """Other values may be visible now."""

    def __init__(self, widget_id: str | None = None) -> None:
        super().__init__(id=widget_id)
        self._map = -1
        self._any = False
        self._history: LayerHistory | None = None
        self._values: dict[int, tuple[int, NDArray[np.float64]]] = {}
        """Of each heat map that was shown, the generation of its history and the values known so far."""

    def compose(self) -> ComposeResult:
        """Lay out the pane."""
        yield Static("reading …", id="layer-summary", markup=False)
        with Horizontal(id="layer-views"):
            yield LayerTable(widget_id="layer-table")
            heat = HeatMap(widget_id="layer-heat")
            heat.display = False
            yield heat

    @property
    def wants_history(self) -> bool:
        """Whether the mask updates of all layers are wanted, not only the latest."""
        return self._map >= 0 or self.side_by_side

    @property
    def side_by_side(self) -> bool:
        """Whether there is room for the table and a heat map."""
        return self.size.width >= _SIDE_BY_SIDE

    @property
    def _shown(self) -> int:
        """Which heat map is on the screen; beside the table there is always one."""
        return max(0, self._map) if self.side_by_side else self._map

    @property
    def table(self) -> LayerTable:
        """The table."""
        return self.query_one(LayerTable)

    def on_resize(self, event: events.Resize) -> None:
        """Show what there is room for."""
        self._arrange()

    def action_next_view(self) -> None:
        """Go from the table to the first heat map, from the last one back to the table."""
        last = self._shown == len(_MAPS) - 1
        self._map = (0 if self.side_by_side else -1) if last else self._shown + 1
        self._arrange()

    def _arrange(self) -> None:
        heat = self.query_one(HeatMap)
        heat.display = self.wants_history and self._any
        self.table.display = self._any and (self.side_by_side or not self.wants_history)
        self._draw_map()
        if self.table.display:
            self.table.focus()
        self.post_message(self.LayersWanted())

    def on_data_table_row_selected(self, message: DataTable.RowSelected) -> None:
        """Enter on a layer shows its mask."""
        message.stop()
        self.call_later(self.screen.run_action, "screen.open_mask")

    def show(self, view: RunView) -> None:
        """Show what was read."""
        if view.layers is not None:
            self.query_one("#layer-summary", Static).update(self._summary(view))
            self.table.show(view.layers)
            if self._any != bool(view.layers):
                self._any = bool(view.layers)
                self._arrange()
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
        title, measure = _MAPS[self._shown]
        heat = self.query_one(HeatMap)
        heat.write = r_s if measure is explored else share
        heat.title = f"{title}   ({self._shown + 1} of {len(_MAPS)}, v for the next)"
        history = self._history
        if history is None or not history.steps:
            heat.show((), (), np.zeros((0, 0)))
            return
        heat.show([plain(name, 200) for name, _ in history.layers], history.steps, self._values_of(history))

    def _values_of(self, history: LayerHistory) -> NDArray[np.float64]:
        """The values of the heat map that is shown, shape (layers, updates); only those of new updates are computed."""
        shape = (len(history.layers), len(history.steps))
        generation, known = self._values.get(self._shown, (None, np.zeros((0, 0))))
        if generation != history.generation or known.shape[0] != shape[0] or known.shape[1] > shape[1]:
            known = np.zeros((shape[0], 0))
        if known.shape[1] < shape[1]:
            done, (_, measure) = known.shape[1], _MAPS[self._shown]
            values = np.full(shape, np.nan)
            values[:, :done] = known
            for row, (_, stats) in enumerate(history.layers):
                new = [measure(stat) for stat in stats[done : shape[1]]]
                values[row, done : done + len(new)] = new
            known = values
        self._values[self._shown] = (history.generation, known)
        return known
