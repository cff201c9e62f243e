"""The checkpoints of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import DataTable, Static

from db.records import CheckpointRecord
from itop_tui.dialogs.questions import Confirm
from itop_tui.figures import run_view
from itop_tui.figures.format import age_of, count, percent, plain, plural, size
from itop_tui.keys import in_brackets
from itop_tui.look.theme import tone_style
from itop_tui.run import checkpoint_files
from itop_tui.run.run_reader import RunView
from itop_tui.screen import shell_of

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
        self.listed: tuple[CheckpointRecord, ...] = ()
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
        return self.listed[self.cursor_row] if 0 <= self.cursor_row < len(self.listed) else None

    def show(self, rows: Sequence[CheckpointRecord], now: float, wrong: Mapping[int, str] | None = None) -> None:
        """Show these checkpoints; `wrong` says what is wrong with a file, by id. The cursor stays at its checkpoint."""
        wrong = wrong or {}
        ordered = tuple(sorted(rows, key=lambda row: (-row.step, row.kind, -row.id)))
        shown = tuple((row, age_of(row.created_at, now), wrong.get(row.id, "")) for row in ordered)
        if shown == self._shown:
            return
        chosen = self.selected
        self.listed, self._shown = ordered, shown
        self.clear()
        for row in ordered:
            self.add_row(*self._cells(row, now, wrong.get(row.id, "")), key=str(row.id))
        if chosen is not None:
            ids = [row.id for row in ordered]
            self.move_cursor(row=ids.index(chosen.id) if chosen.id in ids else 0)

    def _cells(self, row: CheckpointRecord, now: float, wrong: str) -> list[Text]:
        kind = Text(row.kind, no_wrap=True)
        right = [
            count(row.step), count(row.epoch), percent(row.val_accuracy), size(row.bytes), age_of(row.created_at, now)
        ]  # fmt: skip
        path = Text(no_wrap=True)
        for problem in filter(None, (wrong, run_view.damage(row.damaged))):
            path.append(f"✗ {plain(problem, 60)}  ", tone_style(self.app.theme_variables, "bad"))
        path.append(plain(Path(row.path).name, 200))
        return [kind, *(Text(text, justify="right", no_wrap=True) for text in right), path]


def describe(row: CheckpointRecord) -> str:
    """A checkpoint in a sentence: what it is and where its file is."""
    return f"{_KINDS.get(row.kind, row.kind)} · sha256 {plain(row.sha256, 64)[:12]} · {plain(row.path, 1000)}"


class CheckpointsPane(Vertical):
    """A table of checkpoints, and where the one at the cursor is."""

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

    def show(self, view: RunView, now: float) -> None:
        """Show what was read."""
        rows = view.checkpoints
        total = size(sum(row.bytes for row in rows))
        if rows:
            ways = (("resume_here", "resume from here"), ("fork_here", "fork"), ("delete_checkpoint", "delete"))
            keys = ", ".join(f"{what}{in_brackets('run', name)}" for name, what in ways)
            text = f" {plural(len(rows), 'checkpoint')}, {total} on disk · {keys}"
        elif view.run.status.is_terminal:
            key = in_brackets("run", "resume_here")
            text = f" The run ended without a checkpoint: it can only start from the beginning{key}."
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

    def on_data_table_row_highlighted(self, message: DataTable.RowHighlighted) -> None:
        """Say where the checkpoint at the cursor is."""
        message.stop()
        self._describe()

    def _describe(self) -> None:
        row = self.table.selected
        self.query_one("#checkpoint-detail", Static).update(describe(row) if row is not None else "")

    # ------------------------------------------------------------------------------ keys

    def action_delete_checkpoint(self) -> None:
        """Delete the checkpoint at the cursor, after saying what that frees."""
        chosen, others, app = self.table.selected, self.table.listed, shell_of(self)
        if chosen is None:
            self.notify("There is no checkpoint here.", severity="warning", markup=False)
            return

        def deleted(problems: list[str]) -> None:
            self.notify(f"Checkpoint {chosen.id} of step {chosen.step:,} is deleted.", markup=False)
            for problem in problems:
                self.notify(plain(problem, limit=300), severity="error", markup=False)

        def decided(yes: bool | None) -> None:
            if yes:
                app.operate(lambda db: checkpoint_files.delete(db, chosen.id), deleted, failing="The checkpoint stays")

        def ask(frees: str) -> None:
            question = f"Delete checkpoint {chosen.id} ({chosen.kind}, step {chosen.step:,})?"
            self.app.push_screen(Confirm(question, f"{frees} This cannot be undone.", "Delete"), decided)

        app.operate(lambda _: checkpoint_files.freed(chosen, others), ask, failing="Could not look at the file")

    def action_verify_checkpoints(self) -> None:
        """Read all checkpoint files and compare them with their checksums."""
        rows = self.table.listed

        def report(found: dict[int, str]) -> None:
            self._verified = self._wrong = found
            if self._last is not None:
                self.show(*self._last)
            bad = [row for row in rows if found[row.id]]
            words = f"{plural(len(bad), 'checkpoint is', 'checkpoints are')} not what was written."
            well = f"{plural(len(rows), 'checkpoint')} verified: the files are what was written."
            self.notify(words if bad else well, severity="error" if bad else "information", markup=False)

        if rows:
            self.notify("Reading the checkpoints …", markup=False)
            shell_of(self).operate(
                lambda _: {row.id: checkpoint_files.verify(row) for row in rows},
                report,
                failing="Could not verify",
                aside=True,
            )
