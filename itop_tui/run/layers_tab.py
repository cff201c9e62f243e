"""The layers of a run: a table at the latest mask update, or a heat map of a measure over all of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import DataTable, Static

from itop_tui.chart.heat_map import HeatMap
from itop_tui.dialogs.chooser import Item, Picker
from itop_tui.figures.format import plain
from itop_tui.figures.layer_measures import MEASURES, LayerMeasure, first_measure, measure
from itop_tui.run.layer_table import LayerTable, summary
from itop_tui.run.run_reader import LayerHistory, RunView

_SIDE_BY_SIDE = 170
"""Columns from which on the table and a heat map stand beside each other."""


class LayersPane(Vertical):
    """A line about the whole network, and a table or a heat map of its layers."""

    class LayersWanted(Message):
        """Other values may be visible now."""

    def __init__(self, widget_id: str | None = None) -> None:
        super().__init__(id=widget_id)
        self._alone = False
        """Whether the heat map is shown without the table."""
        self._chosen: str | None = None
        """The measure that was chosen; None until one is."""
        self._any = False
        self._history: LayerHistory | None = None
        self._values: dict[str, tuple[int, NDArray[np.float64]]] = {}
        """Of each measure that was shown, the generation of its history and the values known so far."""

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
        return self._alone or self.side_by_side

    @property
    def side_by_side(self) -> bool:
        """Whether there is room for the table and a heat map."""
        return self.size.width >= _SIDE_BY_SIDE

    @property
    def measure(self) -> LayerMeasure:
        """What the heat map shows: what was chosen, else what changes in this run."""
        if self._chosen is not None:
            return measure(self._chosen)
        return first_measure(rows for _, rows in self._history.layers) if self._history else MEASURES[0]

    @property
    def table(self) -> LayerTable:
        """The table."""
        return self.query_one(LayerTable)

    def on_resize(self, event: events.Resize) -> None:
        """Show what there is room for."""
        self._arrange()

    def action_next_view(self) -> None:
        """Show the heat map alone, or the table again (beside the map, where there is room for both)."""
        self._alone = not self._alone
        self._arrange()

    def action_choose_measure(self) -> None:
        """Choose what the heat map shows."""

        def chosen(name: str | None) -> None:
            if name is not None:
                self._chosen = name
                self._alone = self._alone or not self.side_by_side
                self._arrange()

        items = [Item(one.name, one.name, one.about) for one in MEASURES]
        self.app.push_screen(Picker("Measure of the heat map", items, current=self.measure.name), chosen)

    def _arrange(self) -> None:
        heat = self.query_one(HeatMap)
        heat.display = self.wants_history and self._any
        self.table.display = self._any and not self._alone
        self._draw_map()
        self.take_focus()
        self.post_message(self.LayersWanted())

    def take_focus(self) -> None:
        """Give the focus to the table, or to the heat map where that is alone."""
        (self.query_one(HeatMap) if self._alone and self._any else self.table).focus()

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
        shown, heat = self.measure, self.query_one(HeatMap)
        heat.write = shown.write
        heat.title = f"{shown.title}   (e chooses another)"
        history = self._history
        if history is None or not history.steps:
            heat.show((), (), np.zeros((0, 0)))
            return
        heat.show([plain(name, 200) for name, _ in history.layers], history.steps, self._values_of(history))

    def _values_of(self, history: LayerHistory) -> NDArray[np.float64]:
        """The values of the heat map that is shown, shape (layers, updates); only those of new updates are computed."""
        shape = (len(history.layers), len(history.steps))
        shown = self.measure
        generation, known = self._values.get(shown.name, (None, np.zeros((0, 0))))
        if generation != history.generation or known.shape[0] != shape[0] or known.shape[1] > shape[1]:
            known = np.zeros((shape[0], 0))
        if known.shape[1] < shape[1]:
            done = known.shape[1]
            values = np.full(shape, np.nan)
            values[:, :done] = known
            for row, (_, stats) in enumerate(history.layers):
                new = [shown.value(stat) for stat in stats[done : shape[1]]]
                values[row, done : done + len(new)] = new
            known = values
        self._values[shown.name] = (history.generation, known)
        return known
