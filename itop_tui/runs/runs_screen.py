"""The list of runs: the screen the app opens with."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.timer import Timer
from textual.widgets import Label

from db.records import RunRecord
from itop_tui.figures.format import count, plain, plural
from itop_tui.keys import bindings, in_scope
from itop_tui.poller import PAGE, RunsChanged, Snapshot
from itop_tui.runs import list_state
from itop_tui.runs.filter_line import FilterLine
from itop_tui.runs.greeting import Greeting
from itop_tui.runs.list_columns import ListColumns
from itop_tui.runs.run_detail import RunDetail
from itop_tui.runs.run_lines import GroupLine, Row
from itop_tui.runs.run_table import RunTable
from itop_tui.screen import Selection
from itop_tui.service import run_reading
from itop_tui.widgets.key_bar import KeyHint
from itop_tui.widgets.top_bar import TopBar

_SPARK_COLUMNS = 40
_DETAIL_PAUSE = 0.15
"""Seconds the cursor must rest on a run before its loss is read: holding a key down reads nothing."""
_CURVES_PAUSE = 0.1
"""The same for the curves of the lines in sight."""
_CURVE_POINTS = 48
_GROWN = 1 + 1 / _CURVE_POINTS
"""A curve is read again when it has grown by this factor, a point: drawn from fewer new steps it looks the same."""
_CURVES_REST = 0.9
"""Seconds until curves that are shown are read again at the earliest."""
_HELD = 0.7
"""Seconds for which "nothing matches" is held back while a word is typed that may become a field."""
_NEAR_END = 40
"""So many lines before the last one listed, the next ones are read."""


class RunsScreen(ListColumns):
    """Shows all runs, live."""

    SCOPE = "runs"
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings(in_scope("runs")),
        ("escape", "clear_filter", "clear filter"),
    ]
    AUTO_FOCUS = "RunTable"

    def __init__(self) -> None:
        super().__init__()
        self._snapshot: Snapshot | None = None
        self._held: Snapshot | None = None
        self._detail_timer: Timer | None = None
        self._curves_timer: Timer | None = None
        self._curve_of: tuple[int, int] | None = None
        self._curves_soon = False
        self._curves: dict[int, tuple[float, ...]] = {}
        self._curve_steps: dict[int, int] = {}

    def compose_body(self) -> ComposeResult:
        """Lay out the filter, the list, the details and the greeting."""
        yield FilterLine()
        with Horizontal(id="list"):
            yield RunTable(self.itop.clock, id="runs")
            yield RunDetail(self.itop.clock, id="detail")
        # Below the list, where the drop-down of the filter does not cover it.
        yield Label("", id="nothing", markup=False)
        yield Greeting()

    def on_mount(self) -> None:
        """Keep ages and times left moving."""
        self.table.sort, self.table.descending = self.view.sort, self.view.descending
        self.set_interval(1.0, self._tick)

    @property
    def heading(self) -> str:
        """What the top bar says at first."""
        return "runs"

    @property
    def current_run(self) -> RunRecord | None:
        """The run at the cursor; of a group, the one that stands for it."""
        if not self.is_mounted:
            return None
        row = self.table.current_row
        return row.sample if isinstance(row, GroupLine) else row

    @property
    def chosen(self) -> Selection:
        """The marked runs; where none is marked, those of the line at the cursor."""
        table = self.table
        known = {run.id: run for run in table.rows}
        row = table.current_row
        if table.marked_ids:
            return Selection(table.marked_ids, known)
        if isinstance(row, GroupLine):
            return Selection(tuple(row.group.run_ids), known)
        return Selection((row.id,), known) if row is not None else Selection((), known)

    @property
    def chosen_runs(self) -> tuple[RunRecord, ...]:
        """The chosen runs that are listed; an action reads the others too."""
        chosen = self.chosen
        return tuple(chosen.known[run_id] for run_id in chosen.ids if run_id in chosen.known)

    def on_screen_resume(self) -> None:
        """Draw anew what changed while another screen was on top."""
        self._tick()

    def _tick(self) -> None:
        if self.is_current:
            self.table.tick()
            self.query_one(RunDetail).tick()

    # ------------------------------------------------------------------------------------------------------ showing

    def on_runs_changed(self, message: RunsChanged) -> None:
        """List what the database now holds."""
        snapshot = message.snapshot
        if snapshot.view != self.view:
            return  # An answer to what is no longer asked; the right one is on its way.
        beginning = self.typing and snapshot.total and list_state.unfinished(self.view.text)
        if beginning and not snapshot.listed and snapshot is not self._held:
            # A field's name is being typed, it seems: the last answer stands for a moment more.
            self._held = snapshot
            self.set_timer(_HELD, self.show_held)
            return
        self._held = None
        self._snapshot = snapshot
        empty = snapshot.total == 0
        self.set_class(empty, "-empty")
        if empty:
            self.query_one(Greeting).place = self.itop.database_place
        nothing = self.query_one("#nothing", Label)
        nothing.display = not snapshot.listed and not empty
        if nothing.display:
            archived = "" if self.view.text else " All are archived: v shows them."
            nothing.update("No run matches the filter. esc clears it." if self.view.text else f"No runs.{archived}")
        self.table.show_runs(self._lines(snapshot))
        self.show_heading()
        self.refresh_keys()

    def show_held(self, *, typed: bool = False) -> None:
        """Show the answer that was held back while its question was being typed.

        Args:
            typed: Whether nothing more is typed: then it is the answer, else only if the line still says its question.
        """
        if self._held is not None and (typed or self.filter_line.text.strip() == self._held.view.text):
            self.post_message(RunsChanged(self._held))

    @staticmethod
    def _lines(snapshot: Snapshot) -> list[Row]:
        if not snapshot.view.by:
            return list(snapshot.runs)
        lines: list[Row] = []
        for each in snapshot.groups:
            alike = snapshot.view.by == "recipe"
            lines.append(GroupLine(each.group, each.members is not None, each.sample, alike))
            lines += each.members or ()
        return lines

    def show_heading(self) -> None:
        """Say above the list what is listed."""
        snapshot = self._snapshot
        if snapshot is None or not self.is_mounted:
            return
        noun = "group" if self.view.by else "run"
        parts = ["runs" if not self.view_name else f"runs › {plain(self.view_name, limit=40)}"]
        if snapshot.listed < snapshot.matching:
            parts.append(f"first {count(snapshot.listed)} of {count(snapshot.matching)}")
        elif noun == "group":
            parts.append(plural(snapshot.matching, noun))
        elif self.view.text:
            among = snapshot.total - (0 if list_state.speaks_of_archive(self.view.text) else snapshot.archived)
            parts.append(f"{count(snapshot.matching)} of {plural(among, 'run')}")
        if self.view.by:
            parts.append("by seeds" if self.view.by == "recipe" else f"by {self.view.by}")
        marked = len(self.table.marked_ids)
        if marked or self.table.marking:
            parts.append(f"{count(marked)} marked" + (", marking" if self.table.marking else ""))
        number, pages = self.table.column_pages
        if number > 0:
            parts.append(f"columns {number + 1}/{pages}")
        held = self.table.column_held
        if held is not None:
            parts.append(f"{held.column.title}: {plural(held.width, 'cell')}")
        self.query_one(TopBar).heading = " · ".join(parts)

    @on(RunTable.Highlighted)
    def _describe(self, event: RunTable.Highlighted) -> None:
        detail = self.query_one(RunDetail)
        run = event.run
        row = self.table.current_row
        if (run.id if run else None) != (detail.run.id if detail.run else None):
            detail.losses, self._curve_of = (), None
        detail.run, detail.group = run, row if isinstance(row, GroupLine) else None
        self.refresh_keys()
        if self.table.marking:
            self.show_heading()
        self._read_on()
        self.want_curve()

    @on(RunDetail.Shown)
    def want_curve(self) -> None:
        """Read the curve of the run in the details, once the cursor rests on it."""
        detail = self.query_one(RunDetail)
        run = detail.run
        if run is None or not detail.display:
            return
        known = self._curve_of is not None and self._curve_of[0] == run.id
        if not _outgrown(run, self._curve_of[1] if known and self._curve_of else None):
            return
        if self._detail_timer is not None:
            if known:
                return
            self._detail_timer.stop()
        self._detail_timer = self.set_timer(_CURVES_REST if known else _DETAIL_PAUSE, self._begin_curve)

    def _read_on(self) -> None:
        """Read more runs where the cursor comes near the last one listed."""
        snapshot, table = self._snapshot, self.table
        if snapshot is None or snapshot.view != self.view or snapshot.listed >= snapshot.matching:
            return
        if table.cursor_line >= len(table.lines) - _NEAR_END:
            self.ask(limit=self.view.limit + PAGE)

    # ------------------------------------------------------------------------------------------------------- curves

    def _begin_curve(self) -> None:
        self._detail_timer = None
        run = self.query_one(RunDetail).run
        if run is not None and run.step > 0 and self.itop.is_open:
            self._read_curve(run)

    @work(thread=True, exclusive=True, group="curve", exit_on_error=False)
    def _read_curve(self, run: RunRecord) -> None:
        try:
            losses = run_reading.loss_curve(self.itop.database, run.id, _SPARK_COLUMNS)
        except Exception:  # the banner tells of a failing database; the pane does without its curve
            return
        self.app.call_from_thread(self._show_curve, run.id, run.step, losses)

    def _show_curve(self, run_id: int, step: int, losses: list[float]) -> None:
        detail = self.query_one(RunDetail)
        if detail.run is not None and detail.run.id == run_id:
            self._curve_of = (run_id, step)
            detail.losses = tuple(losses)

    @on(RunTable.Moved)
    def _want_curves(self) -> None:
        """Read the curves of the lines in sight that have none, or an old one, once the list rests."""
        stale = self._stale_curves()
        soon = any(run_id not in self._curve_steps for run_id in stale)
        if not stale or (self._curves_timer is not None and (self._curves_soon or not soon)):
            return
        if self._curves_timer is not None:
            self._curves_timer.stop()
        self._curves_soon = soon
        self._curves_timer = self.set_timer(_CURVES_PAUSE if soon else _CURVES_REST, self._begin_curves)

    def _stale_curves(self) -> dict[int, int]:
        if not any(column.key == "curve" for column in self.table.columns):
            return {}
        return {run.id: run.step for run in self.table.in_sight if _outgrown(run, self._curve_steps.get(run.id))}

    def _begin_curves(self) -> None:
        self._curves_timer = None
        self._read_curves(self._stale_curves())

    @work(thread=True, exclusive=True, group="curves", exit_on_error=False)
    def _read_curves(self, wanted: dict[int, int]) -> None:
        if not wanted or not self.itop.is_open:
            return
        try:
            curves = run_reading.loss_curves(self.itop.database, tuple(wanted), _CURVE_POINTS)
        except Exception:  # as above: the list does without them
            return
        self.app.call_from_thread(self._show_curves, wanted, curves)

    def _show_curves(self, wanted: dict[int, int], curves: dict[int, tuple[float, ...]]) -> None:
        self._curve_steps |= wanted
        self._curves |= {run_id: curves.get(run_id, ()) for run_id in wanted}
        self.table.curves = dict(self._curves)

    # ---------------------------------------------------------------------------------------------------- the key bar

    def key_hints(self) -> Iterable[KeyHint]:
        """While the filter is typed, its own keys."""
        if self.typing:
            yield KeyHint("↵", "keep the filter", "screen.keep_filter")
            yield KeyHint("tab", "complete")
            yield KeyHint("↑↓", "choose")
            yield KeyHint("esc", "clear it", "screen.clear_filter")
            return
        if self.has_class("-filtering") and self.table.column_held is None:
            yield KeyHint("esc", "clear filter", "screen.clear_filter")
        yield from super().key_hints()

    # --------------------------------------------------------------------------------------------------------- marks

    def _marks_changed(self) -> None:
        self.show_heading()
        self.refresh_keys()

    def action_mark(self) -> None:
        """Mark the line at the cursor, or take its mark away."""
        self.table.toggle_mark()
        self._marks_changed()

    def action_mark_range(self) -> None:
        """Begin or end a range of marks."""
        self.table.toggle_range()
        self._marks_changed()

    def action_mark_all(self) -> None:
        """Mark all that is listed."""
        self.table.mark_all()
        self._marks_changed()

    def action_unmark_all(self) -> None:
        """Take all marks away."""
        self.table.unmark_all()
        self._marks_changed()

    def action_toggle_detail(self) -> None:
        """Show or hide the details."""
        self.toggle_class("-detail-hidden")

    def action_open_run(self) -> None:
        """Open the run at the cursor; list the runs of a group, or do not."""
        row = self.table.current_row
        if isinstance(row, GroupLine):
            self.toggle_group(row)
        elif row is not None:
            self.itop.open_run(row.id)

    @on(RunTable.Opened)
    def _opened(self, event: RunTable.Opened) -> None:
        if isinstance(event.row, GroupLine):
            self.toggle_group(event.row)
        else:
            self.itop.open_run(event.row.id)

    def show_run(self, run_id: int) -> None:
        """Put the cursor on a run, which may not be listed yet; where the filter hides it, the filter goes."""
        if self.view.text:
            self.action_clear_filter()
        self.table.go_to(run_id)


def _outgrown(run: RunRecord, read: int | None) -> bool:
    """Whether the curve of a run that was read at a step, if it was, would look different by now."""
    if run.step in (0, read):
        return False
    return read is None or not run.status.is_active or not read <= run.step < read * _GROWN
