"""Choosing the metrics of a chart: a list that is narrowed by typing, with several choices."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text
from textual import on
from textual.widgets import Input, OptionList

from itop_tui.dialogs.check_list import CheckList
from itop_tui.figures.chart_metrics import Figure
from itop_tui.figures.chart_specs import MOST_FIGURES
from itop_tui.look.theme import tone_style
from itop_tui.widgets.key_bar import KeyHint

_EVERY = {"step": "each step", "epoch": "each epoch", "update": "each mask update", "layer": "each mask update"}


class FigurePicker(CheckList[tuple[str, ...]]):
    """Lists metrics, the chosen ones first; closes with the names chosen, or with None where it is cancelled.

    Args:
        title: What is chosen.
        figures: The metrics there are.
        chosen: Names of those chosen so far.
    """

    HINTS = (KeyHint("space", "toggle", "screen.check"),)

    def __init__(self, title: str, figures: Sequence[Figure], chosen: Sequence[str]) -> None:
        super().__init__(title, "type to search")
        first = [figure for name in chosen for figure in figures if figure.name == name]
        self._figures = (*first, *(figure for figure in figures if figure not in first))
        self._chosen = list(dict.fromkeys(figure.name for figure in first))
        self._matching: tuple[Figure, ...] = self._figures

    def on_mount(self) -> None:
        """Fill the list."""
        self._fill(0)

    @property
    def chosen(self) -> tuple[str, ...]:
        """The metrics that are chosen now."""
        return tuple(self._chosen)

    def _fill(self, at: int) -> None:
        self.list_lines(map(self._line, self._matching), at)

    def _line(self, figure: Figure) -> Text:
        mark = "✓" if figure.name in self._chosen else " "
        text = Text(f"{mark} {figure.title}", no_wrap=True, overflow="ellipsis", end="")
        text.append(f"  {_EVERY[figure.source]}", tone_style(self.app.theme_variables, "muted"))
        return text

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        words = event.value.casefold().replace("_", " ").split()
        self._matching = tuple(
            figure
            for figure in self._figures
            if all(
                word in f"{figure.title} {figure.label} {figure.name} {_EVERY[figure.source]}".casefold()
                for word in words
            )
        )
        self._fill(0)

    @on(OptionList.OptionSelected)
    def _clicked(self, event: OptionList.OptionSelected) -> None:
        self._turn(event.option_index)

    def _turn(self, at: int) -> None:
        name = self._matching[at].name
        if name in self._chosen:
            self._chosen.remove(name)
        elif len(self._chosen) >= MOST_FIGURES:
            self.notify(f"A chart shows at most {MOST_FIGURES} metrics.", severity="warning")
        else:
            self._chosen.append(name)
        self._fill(at)

    def action_check(self) -> None:
        """Choose the metric at the cursor, or no longer."""
        if self.line < len(self._matching):
            self._turn(self.line)

    def action_keep(self) -> None:
        """Close with the metrics chosen; with the one at the cursor where none is."""
        if not self._chosen and self.line < len(self._matching):
            self._chosen.append(self._matching[self.line].name)
        if self._chosen:
            self.dismiss(self.chosen)
