"""The list of runs and how it is viewed: filter, order, groups, columns, and the views that keep all this by a name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.timer import Timer
from textual.widgets import Label

from itop_tui.dialogs.chooser import Item, Picker
from itop_tui.dialogs.questions import Ask
from itop_tui.figures.format import count, plain, plural
from itop_tui.keys import in_brackets
from itop_tui.opening import LIST_STATE
from itop_tui.poller import PAGE, Snapshot, View
from itop_tui.runs import list_state
from itop_tui.runs.filter_line import FilterLine, Suggestion, Wrong
from itop_tui.runs.greeting import Greeting
from itop_tui.runs.list_state import ListState
from itop_tui.runs.loss_curves import LossCurves
from itop_tui.runs.run_detail import RunDetail
from itop_tui.runs.run_lines import GroupLine, Row
from itop_tui.runs.run_table import RunTable
from itop_tui.runs.view_picker import ViewPicker
from itop_tui.screen import shell_of

if TYPE_CHECKING:
    from db.session import Database
    from itop_tui.runs.detail_charts import DetailCharts

_REST = 0.5
"""Seconds after a change before it is kept, so that a column that is dragged is written once."""
_HELD = 0.7
"""Seconds for which "nothing matches" is held back while a word is typed that may become a field."""
_NEAR_END = 40
"""So many lines before the last one listed, the next ones are read."""


class RunsPane(Vertical):
    """The filter, the list and the details of the run at the cursor."""

    class ListChanged(Message):
        """The heading says something else, or other keys work."""

    def __init__(self) -> None:
        super().__init__()
        self.view = View()
        self.view_name = ""
        self._snapshot: Snapshot | None = None
        self._held: Snapshot | None = None
        self._keep_timer: Timer | None = None
        self._charts: DetailCharts | None = None

    def compose(self) -> ComposeResult:
        """Lay out the filter, the list, the details and the greeting."""
        clock = shell_of(self).clock
        yield FilterLine()
        with Horizontal(id="list"):
            yield RunTable(clock, id="runs")
            with Vertical(id="beside"):
                yield RunDetail(clock, id="detail")
        # Below the list, where the drop-down of the filter does not cover it.
        yield Label("", id="nothing", markup=False)
        yield Greeting()

    def on_mount(self) -> None:
        """Show the order, and read curves from now on."""
        self.table.sort, self.table.descending = self.view.sort, self.view.descending
        self._curves = LossCurves(self, self.table, self.detail, lambda: self._charts, lambda: self._database)

    @property
    def _database(self) -> Database | None:
        """The open database; None while none is."""
        shell = shell_of(self)
        return shell.database if shell.is_open else None

    @property
    def table(self) -> RunTable:
        """The list."""
        return self.query_one(RunTable)

    @property
    def detail(self) -> RunDetail:
        """The details."""
        return self.query_one(RunDetail)

    @property
    def filter_line(self) -> FilterLine:
        """Where the filter is typed."""
        return self.query_one(FilterLine)

    def tick(self) -> None:
        """Draw what reads differently by now."""
        self.table.tick()
        self.detail.tick()

    # ------------------------------------------------------------------------------------------------------ showing

    def show(self, snapshot: Snapshot) -> None:
        """List what the database now holds."""
        if snapshot.view != self.view:
            return  # An answer to what is no longer asked; the right one is on its way.
        beginning = self._typing and snapshot.total and list_state.unfinished(self.view.text)
        if beginning and not snapshot.listed and snapshot is not self._held:
            # A field's name is being typed, it seems: the last answer stays for a short time.
            self._held = snapshot
            self.set_timer(_HELD, self.show_held)
            return
        self._held = None
        self._snapshot = snapshot
        empty = snapshot.total == 0
        self.set_class(empty, "-empty")
        if empty:
            self.query_one(Greeting).place = shell_of(self).database_place
        nothing = self.query_one("#nothing", Label)
        nothing.display = not snapshot.listed and not empty
        if nothing.display:
            archived = f"No runs. All are archived; the views show them{in_brackets('runs', 'choose_view')}."
            nothing.update("No run matches the filter. esc clears it." if self.view.text else archived)
        self.table.called = snapshot.called
        self.table.show_runs(_lines(snapshot))
        self.post_message(self.ListChanged())

    def show_held(self, *, typed: bool = False) -> None:
        """Show the answer that was held back: once its question is `typed`, or the line still says it."""
        held = self._held
        if held is not None and (typed or self.filter_line.text.strip() == held.view.text):
            self.show(held)

    @property
    def _typing(self) -> bool:
        return self.filter_line.input.has_focus

    @property
    def heading(self) -> str:
        """What is listed, in a few words."""
        snapshot = self._snapshot
        if snapshot is None or not self.is_mounted:
            return "runs"
        parts = ["runs" if not self.view_name else f"runs › {plain(self.view_name, limit=40)}"]
        if snapshot.listed < snapshot.matching:
            parts.append(f"first {count(snapshot.listed)} of {count(snapshot.matching)}")
        elif self.view.by:
            parts.append(plural(snapshot.matching, "group"))
        elif self.view.text:
            among = snapshot.total - (0 if list_state.speaks_of_archive(self.view.text) else snapshot.archived)
            parts.append(f"{count(snapshot.matching)} of {plural(among, 'run')}")
        if self.view.by:
            parts.append(f"by {self.view.by}")
        table = self.table
        if table.marked_ids or table.marks.marking:
            parts.append(f"{count(len(table.marked_ids))} selected" + (", selecting" if table.marks.marking else ""))
        if table.page.number > 0:
            parts.append(f"columns {table.page.number + 1}/{table.page.pages}")
        if table.column_held is not None:
            parts.append(f"{table.column_held.column.title}: {plural(table.column_held.width, 'cell')}")
        return " · ".join(parts)

    @on(RunTable.CursorMoved)
    def _describe(self) -> None:
        detail, row = self.detail, self.table.current_row
        run, group = (None, row) if isinstance(row, GroupLine) else (row, None)
        moved = (run.id if run else None) != (detail.run.id if detail.run else None)
        detail.run, detail.group, detail.losses = run, group, self._curves.of(run)
        if self._charts is None:  # not for the first frame: charts need numpy
            from itop_tui.runs.detail_charts import DetailCharts

            self._charts = DetailCharts()
            self.query_one("#beside").mount(self._charts)
        self._charts.describe(run)
        self.post_message(self.ListChanged())
        self._read_on()
        self._curves.want(moved=moved)

    @on(RunDetail.Shown)
    @on(RunTable.VisibleLinesChanged)
    def _more_is_visible(self) -> None:
        self._curves.want()

    on_detail_charts_laid_out = _more_is_visible  # by name: the class needs numpy

    def _read_on(self) -> None:
        """Read more runs where the cursor comes near the last one listed."""
        snapshot, table = self._snapshot, self.table
        if snapshot is None or snapshot.view != self.view or snapshot.listed >= snapshot.matching:
            return
        if table.cursor >= len(table.lines) - _NEAR_END:
            self.ask(limit=self.view.limit + PAGE)

    def action_toggle_detail(self) -> None:
        """Show or hide the details with their charts."""
        self.toggle_class("-detail-hidden")

    # ---------------------------------------------------------------------------------------------------- the state

    @property
    def state(self) -> ListState:
        """How the list is viewed now."""
        view = self.view
        return ListState(self.view_name, view.text, view.sort, view.descending, view.by, self.table.chosen)

    def restore(self, remembered: Mapping[str, Any]) -> None:
        """View the list as it was viewed last; what was typed meanwhile stays."""
        if self.view.text == "" and self.filter_line.text.strip() == "":
            self._take(list_state.from_json(remembered.get(LIST_STATE)))

    def _take(self, state: ListState) -> None:
        """View the list in another way, all at once."""
        self.view_name = state.name
        self.table.chosen = state.columns
        self.table.page_of_columns = 0
        self.filter_line.put(state.text)
        self._show_filter(bool(state.text))
        self.ask(text=state.text, sort=state.sort, descending=state.descending, by=state.by, opened=frozenset(),
                 limit=PAGE)  # fmt: skip

    def ask(self, *, keep: bool = False, **changes: Any) -> None:
        """Read the list in another way; with `keep`, the next start shows it so too."""
        view = replace(self.view, **changes)
        figures = list_state.figures(self.table.chosen) if view.by else ()
        self.view = replace(view, figures=figures, group_sort=list_state.group_sort(view.sort, figures))
        self.table.sort, self.table.descending = self.view.sort, self.view.descending
        shell_of(self).watch_runs(self.view)
        if keep:
            self._keep()
        self.post_message(self.ListChanged())

    def _keep(self) -> None:
        """Keep how the list is viewed for the next start, once it has rested."""
        if self._keep_timer is not None:
            self._keep_timer.stop()
        self._keep_timer = self.set_timer(_REST, self._write)

    def _write(self) -> None:
        database, state = self._database, list_state.to_json(self.state)
        if database is not None:
            from db import key_values

            write = partial(key_values.put, database, LIST_STATE, state)
            self.run_worker(write, thread=True, exclusive=True, group="keep", exit_on_error=False)

    @on(RunTable.SortChosen)
    def _sort(self, event: RunTable.SortChosen) -> None:
        self.ask(keep=True, sort=event.sort, descending=event.descending)

    @on(RunTable.ColumnsChanged)
    def _columns_changed(self) -> None:
        self.ask(keep=True)  # Groups may show means of other metrics now.

    # --------------------------------------------------------------------------------------------------- the filter

    def action_filter(self) -> None:
        """Open the filter."""
        self._show_filter(True)
        # At once, not when the app comes to it: what is typed next belongs to the filter, however fast it is typed.
        self.screen.set_focus(self.filter_line.input)

    def _show_filter(self, shown: bool) -> None:
        self.set_class(shown, "-filtering")
        self.filter_line.display = shown

    @on(FilterLine.Typed)
    def _filter_typed(self, event: FilterLine.Typed) -> None:
        text = event.text.strip()
        if text == self.view.text and not self._typing:
            return  # It was put there, not typed.
        wrong = list_state.problem_of(event.text) if self._database is not None else None
        self.filter_line.wrong = wrong
        if wrong is None and text != self.view.text:
            self.view_name = ""
            self.ask(keep=True, text=text, limit=PAGE)
        if self._database is not None:
            self._complete(self._database, event.text, event.caret, wrong)

    @work(thread=True, exclusive=True, group="complete", exit_on_error=False)
    def _complete(self, database: Database, text: str, caret: int, wrong: Wrong | None) -> None:
        found = list_state.suggested(database, text, caret)
        self.app.call_from_thread(self._suggest, text, caret, found, wrong)

    def _suggest(self, text: str, caret: int, found: tuple[Suggestion, ...], wrong: Wrong | None) -> None:
        line = self.filter_line
        if line.text != text or not line.input.has_focus:
            return  # Something else was typed meanwhile.
        line.suggestions = found
        # What is still being typed is not wrong yet, as long as something could follow.
        unfinished = wrong is not None and wrong.position is not None and wrong.end >= caret
        line.wrong = None if found and unfinished else wrong

    @on(FilterLine.Kept)
    def keep_filter(self) -> None:
        """Go back to the list, which stays filtered."""
        if not self.view.text and not self.filter_line.text.strip():
            self._show_filter(False)
        self.table.focus()
        self.call_after_refresh(self.show_held, typed=True)

    def clear_filter(self) -> None:
        """List all runs again; but first leave the drop-down, the selected column, or the range being selected."""
        if self._typing and self.filter_line.forget():
            return
        if self.table.has_focus and self.table.escape():
            return
        self.filter_line.put("")
        self.filter_line.wrong = None
        self._show_filter(False)
        self.table.focus()
        if self.view.text:
            self.view_name = ""
            self.ask(keep=True, text="", limit=PAGE)

    # ----------------------------------------------------------------------------------------------------- the groups

    def toggle_group(self, line: GroupLine) -> None:
        """List the runs of a group, or no longer."""
        key = {line.group.key}
        self.ask(opened=self.view.opened - key if line.open else self.view.opened | key)

    def action_group_runs(self) -> None:
        """Choose what the runs are grouped by."""

        def decided(by: str | None) -> None:
            if by is not None and by != self.view.by:
                self.view_name = ""
                self.ask(keep=True, by=by, opened=frozenset(), limit=PAGE)

        items = [Item(by, title, detail) for by, title, detail in list_state.groupings()]
        self.app.push_screen(Picker("Group by", items, current=self.view.by), decided)

    # ------------------------------------------------------------------------------------------------------ the views

    def action_choose_view(self) -> None:
        """Choose a view, save the current one under a name, or delete one."""
        from db.finding import views

        shell_of(self).operate(
            lambda db: tuple(map(list_state.from_view, views.views(db))),
            self._offer_views,
            failing="The views cannot be read",
        )

    def _offer_views(self, saved: tuple[ListState, ...]) -> None:
        known = {view.name: view for view in (*list_state.BUILT_IN, *saved)}

        def decided(answer: tuple[str, str] | None) -> None:
            match answer:
                case ("show", name):
                    chosen = known[name]
                    # A built-in view says which runs, not how they are shown.
                    own = chosen in list_state.BUILT_IN
                    self._take(replace(chosen, columns=self.table.chosen, by=self.view.by) if own else chosen)
                    self._keep()
                case ("save", _):
                    self.app.push_screen(Ask("Save this view as", self.view_name, "its name"), self._save_view)
                case ("delete", name):
                    from db.finding import views

                    shell_of(self).operate(
                        lambda db: views.remove(db, name),
                        lambda _: self.notify(f"The view {name} is deleted.", markup=False),
                        failing="Could not delete the view",
                    )

        self.app.push_screen(ViewPicker(list_state.BUILT_IN, saved, self.view_name), decided)

    def _save_view(self, name: str | None) -> None:
        cleaned = " ".join((name or "").split())
        if not cleaned:
            return
        if any(view.name == cleaned for view in list_state.BUILT_IN):
            self.notify(f"{cleaned} is a built-in view: choose another name.", severity="warning", markup=False)
            return
        state = replace(self.state, name=cleaned)

        def saved(_: object) -> None:
            self.view_name = cleaned
            self._keep()
            self.post_message(self.ListChanged())
            self.notify(f"Saved the view {cleaned}.", markup=False)

        from db.finding import views

        view = list_state.to_view(state)
        shell_of(self).operate(lambda db: views.save(db, view), saved, failing="Could not save the view")


def _lines(snapshot: Snapshot) -> list[Row]:
    """The lines of a snapshot: its runs, or its groups, each with its runs where it is open."""
    if not snapshot.view.by:
        return list(snapshot.runs)
    lines: list[Row] = []
    for each in snapshot.groups:
        alike = snapshot.view.by == list_state.RECIPE
        lines.append(GroupLine(each.group, each.members is not None, each.sample, alike, each.called))
        lines += each.members or ()
    return lines
