"""How the list of runs is looked at: filter, groups, and the views that keep all of it by a name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from textual import on, work
from textual.timer import Timer

from itop_tui.dialogs.chooser import Item, Picker
from itop_tui.dialogs.questions import Ask
from itop_tui.dialogs.run_changes import RunChanges
from itop_tui.dialogs.shelf_changes import ShelfChanges
from itop_tui.opening import LIST_STATE
from itop_tui.poller import PAGE, View
from itop_tui.runs import list_state, saved_lists
from itop_tui.runs.filter_line import FilterLine, Suggestion, Wrong
from itop_tui.runs.list_state import ListState
from itop_tui.runs.run_lines import GroupLine
from itop_tui.runs.run_table import RunTable
from itop_tui.runs.view_picker import ViewPicker
from itop_tui.screen import ItopScreen

_REST = 0.5
"""Seconds after a change before it is kept, so that a column that is dragged is written once."""


class ListViews(ItopScreen):
    """A list of runs that can be looked at in many ways."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = (RunChanges(self), ShelfChanges(self))
        self.view = View()
        self.view_name = ""
        self._known_views: tuple[ListState, ...] = list_state.BUILT_IN
        self._keep_timer: Timer | None = None

    @property
    def table(self) -> RunTable:
        """The list."""
        return self.query_one(RunTable)

    @property
    def filter_line(self) -> FilterLine:
        """Where the filter is typed."""
        return self.query_one(FilterLine)

    def show_heading(self) -> None:
        """Say above the list what is listed."""

    def show_held(self, *, typed: bool = False) -> None:
        """Show the answer that was held back while its question was being typed; `typed`: nothing more is typed."""

    # ---------------------------------------------------------------------------------------------------- the state

    @property
    def state(self) -> ListState:
        """How the list is looked at now."""
        view = self.view
        return ListState(self.view_name, view.text, view.sort, view.descending, view.by, self.table.chosen)

    def database_opened(self, remembered: Mapping[str, Any]) -> None:
        """Look at the list as it was looked at last; what was typed meanwhile stays."""
        if self.view.text == "" and self.filter_line.text.strip() == "":
            self._take(list_state.from_json(remembered.get(LIST_STATE)))

    def _take(self, state: ListState) -> None:
        """Look at the list in another way, all at once."""
        self.view_name = state.name
        self.table.chosen = state.columns
        self.table.page_of_columns = 0
        self.filter_line.put(state.text)
        self._show_filter(bool(state.text))
        self.view = replace(
            self.view,
            text=state.text,
            sort=state.sort,
            descending=state.descending,
            by=state.by,
            opened=frozenset(),
            limit=PAGE,
        )
        self.ask()

    def ask(self, *, keep: bool = False, **changes: Any) -> None:
        """Read the list in another way, and keep it for the next start."""
        view = replace(self.view, **changes)
        figures = list_state.figures(self.table.chosen) if view.by else ()
        self.view = replace(view, figures=figures, group_sort=list_state.group_sort(view.sort, figures))
        self.table.sort, self.table.descending = self.view.sort, self.view.descending
        self.itop.watch_runs(self.view)
        if keep:
            self.keep()
        self.show_heading()

    def keep(self) -> None:
        """Keep how the list is looked at for the next start, once it has rested."""
        if self._keep_timer is not None:
            self._keep_timer.stop()
        self._keep_timer = self.set_timer(_REST, self._write)

    def _write(self) -> None:
        if self.itop.is_open:
            state = list_state.to_json(self.state)
            self.itop.operate(lambda db: saved_lists.remember(db, LIST_STATE, state), failing="The view is not kept")

    # --------------------------------------------------------------------------------------------------- the filter

    def action_filter(self) -> None:
        """Open the filter."""
        self._show_filter(True)
        # At once, not when the app comes to it: what is typed next belongs to the filter, however fast it comes.
        self.screen.set_focus(self.filter_line.input)

    def _show_filter(self, shown: bool) -> None:
        self.set_class(shown, "-filtering")
        self.filter_line.display = shown

    @on(FilterLine.Typed)
    def _filter_typed(self, event: FilterLine.Typed) -> None:
        text = event.text.strip()
        if text == self.view.text and not self.filter_line.input.has_focus:
            return  # It was put there, not typed.
        wrong = list_state.problem_of(event.text) if self.itop.is_open else None
        self.filter_line.wrong = wrong
        if wrong is None and text != self.view.text:
            self.view_name = ""
            self.ask(keep=True, text=text, limit=PAGE)
        self._complete(event.text, event.caret, wrong)

    @work(thread=True, exclusive=True, group="complete", exit_on_error=False)
    def _complete(self, text: str, caret: int, wrong: Wrong | None) -> None:
        if self.itop.is_open:
            found = saved_lists.suggestions(self.itop.database, text, caret)
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
    def action_keep_filter(self) -> None:
        """Go back to the list, which stays filtered."""
        if not self.view.text and not self.filter_line.text.strip():
            self._show_filter(False)
        self.table.focus()
        self.call_after_refresh(self.show_held, typed=True)

    def action_clear_filter(self) -> None:
        """List all runs again; out of the drop-down, or of a range that is being marked, first."""
        if self.filter_line.input.has_focus and self.filter_line.forget():
            return
        if self.table.has_focus and self.table.marking:
            self.table.toggle_range()
            self.show_heading()
            return
        self.filter_line.put("")
        self.filter_line.wrong = None
        self._show_filter(False)
        self.table.focus()
        if self.view.text:
            self.view_name = ""
            self.ask(keep=True, text="", limit=PAGE)

    # ----------------------------------------------------------------------------------------------------- the groups

    def open_group(self, line: GroupLine, on: bool) -> None:
        """List the runs of a group, or do not."""
        key = line.group.key
        self.ask(opened=self.view.opened | {key} if on else self.view.opened - {key})

    def toggle_group(self, line: GroupLine) -> None:
        """List the runs of a group, or do not."""
        self.open_group(line, not line.open)

    def action_group_runs(self) -> None:
        """Choose what the runs are grouped by."""

        def decided(by: str | None) -> None:
            if by is not None and by != self.view.by:
                self.view_name = ""
                self.ask(keep=True, by=by, opened=frozenset(), limit=PAGE)

        items = [Item(by, title, detail) for by, title, detail in list_state.groupings()]
        self.app.push_screen(Picker("Group by", items, current=self.view.by), decided)

    def action_compare_runs(self) -> None:
        """Compare the chosen runs; where the list joins seeds, so does the comparison."""
        ids = self.chosen.ids
        if len(ids) < 2:
            told = "Mark at least two runs (space), or choose a group, to compare them."
            self.notify(told, severity="warning", markup=False)
            return
        self.itop.open_compare(ids, grouped=self.view.by == "recipe")

    # ------------------------------------------------------------------------------------------------------ the views

    def action_choose_view(self) -> None:
        """Choose a view, keep the present one under a name, or delete one."""
        self.itop.operate(saved_lists.saved_views, self._offer_views, failing="The views cannot be read")

    def _offer_views(self, saved: tuple[ListState, ...]) -> None:
        self._known_views = (*list_state.BUILT_IN, *saved)

        def decided(answer: tuple[str, str] | None) -> None:
            match answer:
                case ("show", name):
                    chosen = next(view for view in self._known_views if view.name == name)
                    # A built-in view says which runs, not how they are shown.
                    own = chosen in list_state.BUILT_IN
                    self._take(replace(chosen, columns=self.table.chosen, by=self.view.by) if own else chosen)
                    self.keep()
                case ("save", _):
                    self.app.push_screen(Ask("Save this view as", self.view_name, "its name"), self._save_view)
                case ("delete", name):
                    self.itop.operate(
                        lambda db: saved_lists.remove_view(db, name),
                        lambda _: self.notify(f"The view {name} is deleted.", markup=False),
                        failing="Could not delete the view",
                    )
                case _:
                    pass

        self.app.push_screen(ViewPicker(list_state.BUILT_IN, saved, self.view_name), decided)

    def _save_view(self, name: str | None) -> None:
        cleaned = " ".join((name or "").split())
        if not cleaned:
            return
        if any(view.name == cleaned for view in list_state.BUILT_IN):
            self.notify(f"{cleaned} is a view of the app's own: choose another name.", severity="warning", markup=False)
            return
        state = replace(self.state, name=cleaned)

        def saved(_: object) -> None:
            self.view_name = cleaned
            self.show_heading()
            self.keep()
            self.notify(f"Saved the view {cleaned}.", markup=False)

        self.itop.operate(lambda db: saved_lists.save_view(db, state), saved, failing="Could not save the view")
