"""The list of runs: the screen the app opens with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.timer import Timer
from textual.widgets import Input, Label

from db.records import RunRecord
from itop_tui import operations
from itop_tui.actions import bindings, in_scope
from itop_tui.format import count
from itop_tui.poller import PAGE, RunsChanged, Snapshot, View
from itop_tui.screens.run_actions import RunActions
from itop_tui.widgets.greeting import Greeting
from itop_tui.widgets.key_bar import KeyHint
from itop_tui.widgets.run_columns import Column
from itop_tui.widgets.run_detail import RunDetail
from itop_tui.widgets.run_table import RunTable
from itop_tui.widgets.top_bar import TopBar

_SPARK_COLUMNS = 40
_DETAIL_PAUSE = 0.15
"""Seconds the cursor must rest on a run before its loss is read: holding a key down reads nothing."""


class RunsScreen(RunActions):
    """Shows all runs, live."""

    SCOPE = "runs"
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings(in_scope("runs")),
        ("escape", "clear_filter", "clear filter"),
    ]
    AUTO_FOCUS = "RunTable"

    def __init__(self) -> None:
        super().__init__()
        self.view = View()
        self._snapshot: Snapshot | None = None
        self._detail_timer: Timer | None = None
        self._curve_of: tuple[int, int] | None = None

    def compose_body(self) -> ComposeResult:
        """Lay out the list, the details, the greeting and the filter."""
        with Horizontal(id="list"):
            yield RunTable(self.itop.clock, id="runs")
            yield RunDetail(self.itop.clock, id="detail")
        yield Label("", id="nothing", markup=False)
        yield Greeting()
        with Horizontal(id="filter-line"):
            yield Label("/")
            yield Input(placeholder="name, model, data, method, state or tag", id="filter", compact=True)

    def on_mount(self) -> None:
        """Keep ages and times left moving."""
        self.table.sort, self.table.descending = self.view.sort, self.view.descending
        self.set_interval(1.0, self._tick)

    @property
    def heading(self) -> str:
        """What the top bar says at first."""
        return "runs"

    @property
    def table(self) -> RunTable:
        """The list."""
        return self.query_one(RunTable)

    @property
    def current_run(self) -> RunRecord | None:
        """The run at the cursor."""
        return self.table.current if self.is_mounted else None

    @property
    def chosen_runs(self) -> tuple[RunRecord, ...]:
        """The marked runs, or the one at the cursor where none is marked."""
        current = self.current_run
        return self.table.marked or ((current,) if current else ())

    def on_screen_resume(self) -> None:
        """Draw anew what changed while another screen was on top."""
        self._tick()

    def _tick(self) -> None:
        if self.is_current:
            self.table.tick()
            detail = self.query_one(RunDetail)
            if detail.display and detail.run is not None and detail.run.status.is_active:
                detail.refresh()

    # ------------------------------------------------------------------------------------------------------ showing

    def on_runs_changed(self, message: RunsChanged) -> None:
        """List what the database now holds."""
        snapshot = message.snapshot
        if snapshot.view != self.view:
            return  # An answer to what is no longer asked; the right one is on its way.
        self._snapshot = snapshot
        empty = snapshot.total == 0
        self.set_class(empty, "-empty")
        if empty:
            self.query_one(Greeting).place = self.itop.database_place
        nothing = self.query_one("#nothing", Label)
        nothing.display = bool(self.view.text) and not snapshot.runs and not empty
        if nothing.display:
            nothing.update("No run matches the filter. esc clears it.")
        self.table.show_runs(snapshot.runs)
        self._show_heading()
        self.refresh_keys()

    def _show_heading(self) -> None:
        snapshot = self._snapshot
        if snapshot is None:
            return
        parts = ["runs"]
        if len(snapshot.runs) < snapshot.matching:
            parts.append(f"first {count(len(snapshot.runs))} of {count(snapshot.matching)}, m for more")
        elif self.view.text:
            parts.append(f"{count(snapshot.matching)} match")
        if self.table.marked:
            parts.append(f"{count(len(self.table.marked))} marked")
        self.query_one(TopBar).heading = " · ".join(parts)

    @on(RunTable.Highlighted)
    def _describe(self, event: RunTable.Highlighted) -> None:
        detail = self.query_one(RunDetail)
        run = event.run
        if (run.id if run else None) != (detail.run.id if detail.run else None):
            detail.losses = ()
        detail.run = run
        self.refresh_keys()
        if run is None or not detail.display or self._curve_of == (run.id, run.step):
            return
        if self._detail_timer is not None:
            self._detail_timer.stop()
        self._detail_timer = self.set_timer(_DETAIL_PAUSE, self._read_curve)

    @work(thread=True, exclusive=True, group="curve", exit_on_error=False)
    def _read_curve(self) -> None:
        run = self.query_one(RunDetail).run
        if run is None or run.step == 0 or not self.itop.is_open:
            return
        try:
            losses = operations.loss_curve(self.itop.database, run.id, _SPARK_COLUMNS)
        except Exception:  # the banner tells of a failing database; the pane does without its curve
            return
        self.app.call_from_thread(self._show_curve, run.id, run.step, losses)

    def _show_curve(self, run_id: int, step: int, losses: list[float]) -> None:
        detail = self.query_one(RunDetail)
        if detail.run is not None and detail.run.id == run_id:
            self._curve_of = (run_id, step)
            detail.losses = tuple(losses)

    # ---------------------------------------------------------------------------------------------- filter and order

    def _ask(self, **changes: object) -> None:
        self.view = replace(self.view, **changes)  # type: ignore[arg-type]
        self.table.sort, self.table.descending = self.view.sort, self.view.descending
        self.itop.watch_runs(self.view)

    @property
    def typing(self) -> bool:
        """Whether the filter has the focus."""
        return isinstance(self.focused, Input)

    def key_hints(self) -> Iterable[KeyHint]:
        """While the filter is typed, its own keys."""
        if self.typing:
            yield KeyHint("↵", "keep the filter", "screen.keep_filter")
            yield KeyHint("esc", "clear it", "screen.clear_filter")
            return
        if self.has_class("-filtering"):
            yield KeyHint("esc", "clear filter", "screen.clear_filter")
        yield from super().key_hints()

    def action_filter(self) -> None:
        """Open the filter."""
        self.add_class("-filtering")
        self.query_one("#filter", Input).focus()

    @on(Input.Changed, "#filter")
    def _filter_changed(self, event: Input.Changed) -> None:
        self._ask(text=event.value.strip(), limit=PAGE)

    @on(Input.Submitted, "#filter")
    def action_keep_filter(self) -> None:
        """Go back to the list, which stays filtered."""
        if not self.view.text:
            self.remove_class("-filtering")
        self.table.focus()

    def action_clear_filter(self) -> None:
        """List all runs again."""
        self.query_one("#filter", Input).value = ""
        self.remove_class("-filtering")
        self.table.focus()
        if self.view.text:
            self._ask(text="", limit=PAGE)

    @on(RunTable.HeadClicked)
    def _head_clicked(self, event: RunTable.HeadClicked) -> None:
        if event.column.sort == self.view.sort:
            self.action_sort_reverse()
        elif event.column.sort:
            self._sort_by(event.column)

    def _sort_by(self, column: Column) -> None:
        self._ask(sort=column.sort, descending=not column.ascending)

    def _sort_beside(self, direction: int) -> None:
        columns = [column for column in self.table.columns if column.sort]
        keys = [column.sort for column in columns]
        here = keys.index(self.view.sort) if self.view.sort in keys else 0
        self._sort_by(columns[(here + direction) % len(columns)])

    def action_sort_next(self) -> None:
        """Sort by the next column."""
        self._sort_beside(1)

    def action_sort_previous(self) -> None:
        """Sort by the column before."""
        self._sort_beside(-1)

    def action_sort_reverse(self) -> None:
        """Turn the order round."""
        self._ask(descending=not self.view.descending)

    def action_more_runs(self) -> None:
        """List more runs."""
        if self._snapshot is not None and len(self._snapshot.runs) < self._snapshot.matching:
            self._ask(limit=self.view.limit + PAGE)

    # --------------------------------------------------------------------------------------------------------- marks

    def action_mark(self) -> None:
        """Mark the run at the cursor, or take its mark away."""
        self.table.toggle_mark()
        self._show_heading()

    def action_unmark_all(self) -> None:
        """Take all marks away."""
        self.table.unmark_all()
        self._show_heading()

    def action_toggle_detail(self) -> None:
        """Show or hide the details."""
        self.toggle_class("-detail-hidden")

    @on(RunTable.Opened)
    def _opened(self, event: RunTable.Opened) -> None:
        self.itop.open_run(event.run.id)

    def show_run(self, run_id: int) -> None:
        """Put the cursor on a run, which may not be listed yet; where the filter hides it, the filter goes."""
        if self.view.text:
            self.action_clear_filter()
        self.table.go_to(run_id)
