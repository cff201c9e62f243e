"""Choosing the figures of a chart: a list narrowed by typing, of which several may be marked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Label, OptionList
from textual.widgets.option_list import Option

from itop_tui.screens.run.figures import MOST_FIGURES, Figure
from itop_tui.theme import tone_style
from itop_tui.widgets.key_bar import KeyBar, KeyHint

_EVERY = {"step": "each step", "epoch": "each epoch", "update": "each mask update", "layer": "each mask update"}


class _Search(Input):
    """The line in which one searches; a space takes the figure at the cursor instead of being typed."""

    async def _on_key(self, event: events.Key) -> None:
        if event.key == "space":
            event.stop()
            event.prevent_default()
            await self.screen.run_action("screen.turn")
        else:
            await super()._on_key(event)


class FigurePicker(ModalScreen[tuple[str, ...] | None]):
    """Lists figures, the chosen ones first; closes with the names chosen, or with None where it is left as it was.

    Args:
        title: What is chosen.
        figures: What there is.
        chosen: Names of those chosen so far.
    """

    CSS_PATH = "figure_picker.tcss"
    BINDINGS: ClassVar = [
        Binding("escape", "leave", show=False, priority=True),
        Binding("enter", "keep", show=False, priority=True),
        Binding("down", "move(1)", show=False, priority=True),
        Binding("up", "move(-1)", show=False, priority=True),
        Binding("pagedown", "move(10)", show=False, priority=True),
        Binding("pageup", "move(-10)", show=False, priority=True),
    ]

    def __init__(self, title: str, figures: Sequence[Figure], chosen: Sequence[str]) -> None:
        super().__init__()
        self._title = title
        first = [figure for name in chosen for figure in figures if figure.name == name]
        self._figures = (*first, *(figure for figure in figures if figure not in first))
        self._chosen = list(dict.fromkeys(figure.name for figure in first))
        self._matching: tuple[Figure, ...] = self._figures

    def compose(self) -> ComposeResult:
        """Lay out the list."""
        with Vertical(classes="figures"):
            yield Label(self._title, classes="title", markup=False)
            yield _Search(placeholder="type to search", compact=True)
            yield OptionList(compact=True, markup=False)
            yield KeyBar()

    def on_mount(self) -> None:
        """Fill the list."""
        self.query_one(OptionList).can_focus = False
        self.query_one(KeyBar).hints = (
            KeyHint("space", "take or leave", "screen.turn"),
            KeyHint("↵", "keep", "screen.keep"),
            KeyHint("esc", "leave it", "screen.leave"),
        )
        self._fill(0)

    @property
    def chosen(self) -> tuple[str, ...]:
        """The figures marked now."""
        return tuple(self._chosen)

    def _fill(self, at: int) -> None:
        listed = self.query_one(OptionList)
        listed.clear_options()
        listed.add_options([Option(self._line(figure)) for figure in self._matching])
        if self._matching:
            listed.highlighted = min(max(at, 0), len(self._matching) - 1)

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
            self.notify(f"A chart takes at most {MOST_FIGURES} figures.", severity="warning")
        else:
            self._chosen.append(name)
        self._fill(at)

    def action_turn(self) -> None:
        """Take the figure at the cursor, or leave it."""
        at = self.query_one(OptionList).highlighted
        if at is not None and at < len(self._matching):
            self._turn(at)

    def action_move(self, lines: int) -> None:
        """Move through the list."""
        listed = self.query_one(OptionList)
        if self._matching:
            listed.highlighted = max(0, min(len(self._matching) - 1, (listed.highlighted or 0) + lines))

    def action_keep(self) -> None:
        """Close with the figures marked; with the one at the cursor where none is."""
        at = self.query_one(OptionList).highlighted
        if not self._chosen and at is not None and at < len(self._matching):
            self._chosen.append(self._matching[at].name)
        if self._chosen:
            self.dismiss(self.chosen)

    def action_leave(self) -> None:
        """Leave the chart as it was."""
        self.dismiss(None)
