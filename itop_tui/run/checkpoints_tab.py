"""The checkpoints of a run."""

from __future__ import annotations

from collections.abc import Mapping

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import DataTable, Static

from db.records import CheckpointRecord
from itop_tui.figures.format import plural, size
from itop_tui.run.checkpoint_table import CheckpointTable, describe
from itop_tui.run.run_reader import RunView


class CheckpointsPane(Vertical):
    """A table of checkpoints, and where the one at the cursor lies."""

    def __init__(self) -> None:
        super().__init__()
        self._verified: dict[int, str] = {}
        self._wrong: dict[int, str] = {}
        self._last: tuple[RunView, float] | None = None

    def compose(self) -> ComposeResult:
        """Lay out the pane."""
        yield Static("reading …", id="checkpoint-summary", markup=False)
        yield CheckpointTable(widget_id="checkpoint-table")
        yield Static(id="checkpoint-detail", markup=False)

    @property
    def table(self) -> CheckpointTable:
        """The table."""
        return self.query_one(CheckpointTable)

    @property
    def selected(self) -> CheckpointRecord | None:
        """The checkpoint at the cursor."""
        return self.table.selected

    def show(self, view: RunView, now: float) -> None:
        """Show what was read."""
        rows = view.checkpoints
        total = size(sum(row.bytes for row in rows))
        if rows:
            text = f" {plural(len(rows), 'checkpoint')}, {total} on disk · r goes on from here, f forks, x deletes"
        elif view.run.status.is_terminal:
            text = " The run ended without a checkpoint: it can only be started from the beginning (r)."
        else:
            text = " No checkpoint yet: one is written at the end of an epoch, and when the run is stopped."
        self.query_one("#checkpoint-summary", Static).update(text)
        self._last = (view, now)
        if view.files is not None:
            # What a checksum has shown stays known; a glance sees only whether the file is there, in its size.
            self._wrong = {**self._verified, **{key: wrong for key, wrong in view.files.items() if wrong}}
        self.table.show(rows, now, self._wrong)
        self.table.display = bool(rows)
        self._describe()

    def verified(self, found: Mapping[int, str]) -> None:
        """Show what reading the files has shown."""
        self._verified = self._wrong = dict(found)
        if self._last is not None:
            self.show(*self._last)

    def on_data_table_row_highlighted(self, message: DataTable.RowHighlighted) -> None:
        """Say where the checkpoint at the cursor lies."""
        message.stop()
        self._describe()

    def _describe(self) -> None:
        row = self.selected
        self.query_one("#checkpoint-detail", Static).update(describe(row) if row is not None else "")
