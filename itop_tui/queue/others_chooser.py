"""Choosing which runs a queued run starts after."""

from __future__ import annotations

from collections.abc import Sequence

from db.records import RunRecord, StartsAfter
from itop_tui.dialogs.chooser import CheckList, Item
from itop_tui.figures import run_view
from itop_tui.widgets.key_bar import KeyHint

_KINDS = ("", "any end", "if completed")
"""What is waited for, in the order in which the space bar goes through it."""


class OthersChooser(CheckList[StartsAfter]):
    """Lists runs that others can start after; space goes from not at all to any end, and to completion.

    Closes with what was chosen, or with None where it is cancelled.

    Args:
        title: What is chosen.
        others: The runs to choose from.
        chosen: What is chosen already.
    """

    nothing = "no other run is queued or active"

    def __init__(self, title: str, others: Sequence[RunRecord], chosen: StartsAfter) -> None:
        self._kinds = dict.fromkeys(map(str, chosen.after), _KINDS[1]) | dict.fromkeys(
            map(str, chosen.after_ok), _KINDS[2]
        )
        named = [run for run in others if str(run.id) in self._kinds]
        items = [_item(run) for run in (*named, *(run for run in others if run not in named))]
        super().__init__(title, items, hint="type to search")

    @property
    def hints(self) -> tuple[KeyHint, ...]:
        """What the key bar says."""
        _, apply = super().hints
        return (KeyHint("space", "any end / if completed / not", "screen.check"), apply)

    def is_chosen(self, value: str) -> bool:
        """Whether a run is waited for."""
        return value in self._kinds

    def toggle(self, value: str) -> None:
        """Wait for another kind of end of a run, or for the run not at all."""
        kind = _KINDS[(_KINDS.index(self._kinds.pop(value, "")) + 1) % len(_KINDS)]
        if kind:
            self._kinds[value] = kind
        self.fill(value, self.at)

    def mark(self, item: Item) -> str:
        """What is waited for."""
        return f"{self._kinds.get(item.value, ''):<14}"

    def action_choose(self) -> None:
        """Close with the choice."""
        ended, completed = (
            tuple(sorted(int(value) for value, kind in self._kinds.items() if kind == wanted)) for wanted in _KINDS[1:]
        )
        self.dismiss(StartsAfter(ended, completed))


def _item(run: RunRecord) -> Item:
    """A run as the list shows it."""
    state = "held" if run.held else str(run.status)
    return Item(str(run.id), f"run {run.id}  {run_view.name(run, 24).rstrip()}", f"{state}  {run.model} {run.data}")
