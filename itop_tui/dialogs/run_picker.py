"""Chooses runs out of all there are, by a query that narrows them as it is typed."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from textual import work

from db.records import RunQuery, RunRecord
from itop_tui.dialogs.chooser import CheckList, Item
from itop_tui.figures import run_view
from itop_tui.figures.differences import namesakes
from itop_tui.figures.format import UNKNOWN, fit, percent, plain
from itop_tui.look.theme import look
from itop_tui.screen import shell_of
from itop_tui.widgets.key_bar import KeyHint

if TYPE_CHECKING:
    from db.session import Database

MOST_LISTED = 200
"""Runs that are listed, the newest; a query finds the others."""
_NAME = 30


class RunPicker(CheckList[tuple[RunRecord, ...]]):
    """Lists the runs that match a query, the newest first, and answers with those that are chosen.

    Space chooses the run at the cursor where a query needs none: in an empty line, behind another space, and after the
    arrows have left the line. Enter takes what is chosen, or the run at the cursor.

    Args:
        title: What runs are chosen for.
        without: Runs, by their ids, that are not offered.
    """

    def __init__(self, title: str, without: Collection[int] = ()) -> None:
        super().__init__(title, (), hint="a query: words, or method:SET-ITOP density<0.1 tag:paper")
        self._without = frozenset(without)
        self._found: dict[str, RunRecord] = {}
        self._picked: dict[str, RunRecord] = {}
        self._in_list = False
        self.nothing = "reading …"

    def on_mount(self) -> None:
        """Read all runs."""
        self._find(shell_of(self).database, "")

    @property
    def hints(self) -> tuple[KeyHint, ...]:
        """What the key bar says."""
        add = f"add {len(self._picked)}" if self._picked else "add"
        return (KeyHint("↑↓", "move"), KeyHint("space", "select", "screen.check"), KeyHint("↵", add, "screen.choose"))

    # ------------------------------------------------------------------------------------------------------- the list

    def searched(self) -> None:
        """Read what matches by now."""
        self._in_list = False
        self._find(shell_of(self).database, self.typed)

    def matches(self, item: Item) -> bool:
        """Everything does that was found."""
        return True

    @work(thread=True, exclusive=True, group="runs", exit_on_error=False)
    def _find(self, database: Database, text: str) -> None:
        from db.runs import runs

        found: list[RunRecord] = []
        problem = "No run matches."
        try:
            found = runs.list_runs(database, RunQuery(text=text, limit=MOST_LISTED + len(self._without)))
        except Exception as error:  # said in the list, where another query can be typed
            problem = f"{error}".strip() or type(error).__name__
        self.app.call_from_thread(self._show, text, found, problem)

    def _show(self, text: str, found: list[RunRecord], problem: str) -> None:
        if not self.is_mounted or text != self.typed:
            return  # something else was typed meanwhile
        offered = [run for run in found if run.id not in self._without][:MOST_LISTED]
        called = namesakes(offered)
        here = self.item
        self._found = {str(run.id): run for run in offered}
        self.items = tuple(
            _line(run, " ".join(filter(None, called[run.id].fitted(_NAME))) if run.id in called else run.name)
            for run in offered
        )
        self.nothing = plain("All that match are there already." if found else problem, limit=200)
        self.fill(here.value if here is not None else "")

    # ----------------------------------------------------------------------------------------------------- the choice

    def mark(self, item: Item) -> str:
        """The sign of a selected run, as in the list of runs."""
        return "◆ " if self.is_chosen(item.value) else "  "

    def is_chosen(self, value: str) -> bool:
        """Whether a run is chosen; it stays so while others are listed."""
        return value in self._picked

    def toggle(self, value: str) -> None:
        """Choose a run, or do not choose it any more."""
        if self._picked.pop(value, None) is None:
            self._picked[value] = self._found[value]
        self.fill(value)

    @property
    def takes_space(self) -> bool:
        """Whether a space chooses instead of being typed."""
        text = self.written
        return self._in_list or not text or text[-1].isspace()

    def action_move(self, lines: int) -> None:
        """Move through the list; above its first run is the line."""
        self._in_list = lines > 0 or self.at > 0
        super().action_move(lines)

    def action_choose(self) -> None:
        """Close with the runs that are chosen, or with that at the cursor."""
        here = [self._found[self.item.value]] if self.item is not None else []
        if runs := [*self._picked.values()] or here:
            self.dismiss(tuple(runs))


def _line(run: RunRecord, name: str) -> Item:
    accuracy = percent(run.test_accuracy if run.test_accuracy is not None else run.best_val_accuracy)
    about = [run_view.method(run), run_view.density(run) if run.method != "dense" else "", run.model, run.data]
    detail = " ".join([accuracy.rjust(7) if accuracy != UNKNOWN else " " * 7, *filter(None, about)])
    return Item(str(run.id), f"{look(run.status).glyph} {run.id:>4}  {fit(name, _NAME).rstrip()}", detail)
