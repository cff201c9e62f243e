"""The checkpoints of a run, the latest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.text import Text
from textual.widgets import DataTable

from db.records import CheckpointRecord
from itop_tui.figures.format import age, count, percent, plain, size
from itop_tui.look.theme import tone_style

_KINDS = {
    "last": "latest",
    "best": "best validation",
    "epoch": "every N epochs",
    "stop": "written when stopped",
    "manual": "asked for",
    "nan": "before it diverged",
}


class CheckpointTable(DataTable[Text]):
    """A table of checkpoints; the one at the cursor is `selected`."""

    def __init__(self, widget_id: str | None = None) -> None:
        super().__init__(id=widget_id, cursor_type="row")
        self._rows: tuple[CheckpointRecord, ...] = ()
        self._shown: tuple[object, ...] = ()

    def on_mount(self) -> None:
        """Make the columns."""
        for title, right in (
            ("kind", False), ("step", True), ("epoch", True), ("val acc", True), ("size", True), ("age", True),
            ("file", False),
        ):  # fmt: skip
            self.add_column(Text(title, justify="right" if right else "left"), key=title)

    @property
    def selected(self) -> CheckpointRecord | None:
        """The checkpoint at the cursor, None where there is none."""
        return self._rows[self.cursor_row] if 0 <= self.cursor_row < len(self._rows) else None

    @property
    def rows_shown(self) -> tuple[CheckpointRecord, ...]:
        """The checkpoints, as they are listed."""
        return self._rows

    def show(self, rows: Sequence[CheckpointRecord], now: float, wrong: Mapping[int, str] | None = None) -> None:
        """Show these checkpoints; the cursor stays at the one it was at.

        Args:
            rows: The checkpoints, in any order.
            now: The time, in unix seconds, for their age.
            wrong: What is wrong with a file ("missing", "damaged"), by the checkpoint's id.
        """
        wrong = wrong or {}
        ordered = tuple(sorted(rows, key=lambda row: (-row.step, row.kind, -row.id)))
        shown = tuple((row, age(now - row.created_at), wrong.get(row.id, "")) for row in ordered)
        if shown == self._shown:
            return
        chosen = self.selected
        self._rows, self._shown = ordered, shown
        self.clear()
        for row in ordered:
            self.add_row(*self._cells(row, now, wrong.get(row.id, "")), key=str(row.id))
        if chosen is not None:
            ids = [row.id for row in ordered]
            self.move_cursor(row=ids.index(chosen.id) if chosen.id in ids else 0)

    def _cells(self, row: CheckpointRecord, now: float, wrong: str) -> list[Text]:
        kind = Text(row.kind, no_wrap=True)
        right = [
            count(row.step), count(row.epoch), percent(row.val_accuracy), size(row.bytes), age(now - row.created_at)
        ]  # fmt: skip
        path = Text(no_wrap=True)
        if wrong:
            path.append(f"✗ {plain(wrong, 60)}  ", tone_style(self.app.theme_variables, "bad"))
        path.append(plain(Path(row.path).name, 200))
        return [kind, *(Text(text, justify="right", no_wrap=True) for text in right), path]


def describe(row: CheckpointRecord) -> str:
    """A checkpoint in a sentence: what it is and where its file is."""
    return f"{_KINDS.get(row.kind, row.kind)} · sha256 {plain(row.sha256, 64)[:12]} · {plain(row.path, 1000)}"
