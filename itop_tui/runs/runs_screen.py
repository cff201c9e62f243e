"""The list of runs: the screen the app opens with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType

from db.records import RunRecord
from itop_tui.dialogs.run_changes import RunChanges
from itop_tui.dialogs.shelf_changes import ShelfChanges
from itop_tui.keys import bindings, find, in_brackets, in_scope
from itop_tui.poller import RunsChanged
from itop_tui.runs import list_state
from itop_tui.runs.run_lines import GroupLine, ids_of
from itop_tui.runs.run_table import RunTable
from itop_tui.runs.runs_pane import RunsPane
from itop_tui.screen import ItopScreen, Selection
from itop_tui.widgets.key_bar import KeyHint
from itop_tui.widgets.top_bar import TopBar

_COLUMN_KEYS = (
    ("column", "column_previous", "column_next"),
    ("width", "column_narrower", "column_wider"),
    ("move", "column_left", "column_right"),
    ("sort", "sort_here"),
    ("fit", "column_fit"),
)
"""What the key bar says while a column is selected: a word, and the actions."""


class RunsScreen(ItopScreen):
    """Shows all runs, live: what can be done to those that are selected in its `RunsPane`."""

    SCOPE = "runs"
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings(in_scope("runs")),
        ("escape", "clear_filter", "clear filter"),
    ]
    AUTO_FOCUS = "RunTable"

    def __init__(self) -> None:
        super().__init__()
        self.parts = (RunChanges(self), ShelfChanges(self))

    def compose_body(self) -> ComposeResult:
        """Lay out the list with its filter and details."""
        yield RunsPane()

    def on_mount(self) -> None:
        """Keep ages and times left moving."""
        self.set_interval(1.0, self._tick)

    @property
    def heading(self) -> str:
        """What the top bar says."""
        return self.pane.heading

    @property
    def pane(self) -> RunsPane:
        """The list with its filter and details."""
        return self.query_one(RunsPane)

    @property
    def table(self) -> RunTable:
        """The list."""
        return self.query_one(RunTable)

    @property
    def current_run(self) -> RunRecord | None:
        """The run at the cursor; of a group, the one that stands for it."""
        if not self.is_mounted:
            return None
        row = self.table.current_row
        return row.sample if isinstance(row, GroupLine) else row

    @property
    def chosen(self) -> Selection:
        """The selected runs; where none is selected, those of the line at the cursor."""
        table, row = self.table, self.table.current_row
        ids = table.marked_ids or (ids_of(row) if row is not None else ())
        return Selection(ids, {run.id: run for run in table.rows})

    def on_screen_resume(self) -> None:
        """Draw again what changed while another screen was on top."""
        self._tick()

    def _tick(self) -> None:
        if self.is_current:
            self.pane.tick()

    def database_opened(self, remembered: Mapping[str, Any]) -> None:
        """View the list as at the last start."""
        self.pane.restore(remembered)

    def on_runs_changed(self, message: RunsChanged) -> None:
        """List what the database now holds."""
        self.pane.show(message.snapshot)

    @on(RunsPane.ListChanged)
    @on(RunTable.SelectionChanged)
    def _show_heading(self) -> None:
        self.query_one(TopBar).heading = self.heading
        self.refresh_keys()

    # ---------------------------------------------------------------------------------------------------- the key bar

    def key_hints(self) -> Iterable[KeyHint]:
        """What works now: in the filter its own keys, on a selected column what can be done with it.

        Of several runs, what is done to several comes first.
        """
        table = self.table
        if self.typing:
            yield KeyHint("↵", "keep the filter", "screen.keep_filter")
            yield KeyHint("tab", "complete")
            yield KeyHint("↑↓", "choose")
            yield KeyHint("esc", "clear it", "screen.clear_filter")
            return
        if table.column_held is not None:
            yield KeyHint("esc", "deselect", "screen.clear_filter")
            for label, *names in _COLUMN_KEYS:
                keys = " ".join(find(self.SCOPE, name).key_shown for name in names)
                yield KeyHint(keys, label, f"screen.{names[-1]}")
            yield from (hint for hint in super().key_hints() if hint.pinned)
            return
        if self.pane.filter_line.display:
            yield KeyHint("esc", "clear filter", "screen.clear_filter")
        first: tuple[str, ...] = ("compare_runs",) if len(self.chosen.ids) > 1 else ()
        first += ("unmark_all",) if table.marked_ids else ()
        for name in first:
            action = find(self.SCOPE, name)
            yield KeyHint(action.key_shown, action.label, f"screen.{name}")
        shown = {f"screen.{name}" for name in (*first, "compare_runs")}
        row = table.current_row
        for hint in super().key_hints():
            if hint.action == "screen.open_run" and isinstance(row, GroupLine):
                yield replace(hint, label="close" if row.open else "its runs")
            elif hint.action not in shown:
                yield hint

    # ------------------------------------------------------------------------------------------------------- actions

    def action_keep_filter(self) -> None:
        """Go back to the list, which stays filtered."""
        self.pane.keep_filter()

    def action_clear_filter(self) -> None:
        """Deselect the selected column; where none is, clear the filter."""
        self.pane.clear_filter()

    @on(RunTable.RowOpened)
    def action_open_run(self, event: RunTable.RowOpened | None = None) -> None:
        """Open the run at the cursor; list the runs of a group, or no longer."""
        row = event.row if event is not None else self.table.current_row
        if isinstance(row, GroupLine):
            self.pane.toggle_group(row)
        elif row is not None:
            self.itop.open_run(row.id)

    def action_compare_runs(self) -> None:
        """Compare the chosen runs; where the list groups by recipe, so does the comparison."""
        ids = self.chosen.ids
        if len(ids) < 2:
            select = in_brackets(self.SCOPE, "mark")
            hint = f"Select at least two runs{select}, or choose a group, to compare them."
            self.notify(hint, severity="warning", markup=False)
            return
        self.itop.open_compare(ids, grouped=self.pane.view.by == list_state.RECIPE)

    def neighbour(self, run_id: int, by: int) -> int | None:
        """The run that is listed so many runs after another one; those of a closed group count. None if there is none.

        The list's cursor is where a run was that is no longer listed, for example since it was archived.
        """
        table = self.table
        ids = list(dict.fromkeys(each for line in table.lines for each in ids_of(line)))
        if run_id in ids:
            at = ids.index(run_id) + by
        elif table.current_row is not None:
            at = ids.index(ids_of(table.current_row)[0]) + min(by, 0)
        else:
            return None
        return ids[at] if 0 <= at < len(ids) else None

    def show_run(self, run_id: int) -> None:
        """Put the cursor on a run, which may not be listed yet; where the filter hides it, the filter is cleared."""
        if self.pane.view.text:
            self.pane.clear_filter()
        self.table.go_to(run_id)
