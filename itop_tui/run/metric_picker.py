"""Choosing the metrics of a chart."""

from __future__ import annotations

from collections.abc import Sequence

from db.history.declared import Metric
from itop_tui.dialogs.chooser import CheckList, Item
from itop_tui.figures.chart_metrics import MOST_FIGURES

_EVERY = {"step": "each step", "epoch": "each epoch", "update": "each mask update", "layer": "each mask update"}


class FigurePicker(CheckList[tuple[str, ...]]):
    """Lists metrics, the chosen ones first; closes with the names chosen, or with None where it is cancelled."""

    def __init__(self, title: str, figures: Sequence[Metric], chosen: Sequence[str]) -> None:
        first = [figure for name in chosen for figure in figures if figure.name == name]
        listed = (*first, *(figure for figure in figures if figure not in first))
        super().__init__(title, [self._item(figure) for figure in listed])
        self._chosen = list(dict.fromkeys(figure.name for figure in first))

    @staticmethod
    def _item(figure: Metric) -> Item:
        names = f"{figure.label} {figure.name} {figure.name.replace('_', ' ')}"
        return Item(figure.name, figure.title, _EVERY[figure.source], names)

    @property
    def chosen(self) -> tuple[str, ...]:
        """The metrics chosen now."""
        return tuple(self._chosen)

    def is_chosen(self, value: str) -> bool:
        """Whether a metric is chosen."""
        return value in self._chosen

    def toggle(self, value: str) -> None:
        """Choose a metric, or do not; a chart shows only so many."""
        if value in self._chosen:
            self._chosen.remove(value)
        elif len(self._chosen) >= MOST_FIGURES:
            self.notify(f"A chart shows at most {MOST_FIGURES} metrics.", severity="warning")
        else:
            self._chosen.append(value)
        self.fill(value)

    def action_choose(self) -> None:
        """Close with the metrics chosen; with the one at the cursor where none is."""
        chosen = self.chosen or ((self.item.value,) if self.item is not None else ())
        if chosen:
            self.dismiss(chosen)
