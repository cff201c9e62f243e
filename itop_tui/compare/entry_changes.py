"""What a person does to the entries of a comparison: hide, order, add, remove, group, and choose the baseline."""

from __future__ import annotations

from collections.abc import Callable

from db.records import RunRecord
from itop_tui.compare.compared import Compared
from itop_tui.dialogs.run_picker import RunPicker
from itop_tui.figures.comparison import MOST
from itop_tui.keys import in_brackets
from itop_tui.screen import ItopScreen


class EntryChanges:
    """Changes what is compared; a part of the screen that shows it.

    Args:
        screen: The screen.
        compared: What is compared.
        changed: Shows the comparison as it is now, and keeps it; given whether other runs or groups have to be read.
    """

    def __init__(self, screen: ItopScreen, compared: Compared, changed: Callable[[bool], None]) -> None:
        self._screen, self._compared, self._changed = screen, compared, changed

    def _warn(self, text: str) -> None:
        self._screen.notify(text, severity="warning", markup=False)

    def action_hide_entry(self) -> None:
        """Leave an entry out of charts and plots, or show it again."""
        self._compared.hide()
        self._changed(False)

    def action_move(self, by: int) -> None:
        """Move an entry up or down."""
        if self._compared.move(by):
            self._changed(True)

    def place(self, here: int, there: int) -> None:
        """Move an entry to the place of another one."""
        if self._compared.place(here, there):
            self._changed(True)

    def action_set_baseline(self) -> None:
        """Show the curves as differences to the entry at the cursor, or as they are."""
        self._compared.set_baseline()
        self._changed(False)

    def action_take_out(self) -> None:
        """Remove an entry from the comparison."""
        if self._compared.remove():
            self._changed(True)
        elif self._compared.entries:
            self._warn("The last one stays.")

    def action_take_in(self) -> None:
        """Choose runs to compare too."""
        self._screen.app.push_screen(RunPicker("Compare with", self._compared.ids), self._add)

    def _add(self, chosen: tuple[RunRecord, ...] | None) -> None:
        if not chosen:
            return
        try:
            self._compared.add(chosen)
        except ValueError:
            self._warn(f"{MOST} at most are compared: remove one{in_brackets('compare', 'take_out')}.")
            return
        self._changed(True)

    def action_group_runs(self) -> None:
        """Join runs of one recipe, or compare each run."""
        compared = self._compared
        try:
            compared.arrange(grouped=not compared.grouped)
        except ValueError as error:
            self._warn(f"{error}.")
            return
        if compared.grouped and len(compared.entries) == len(compared.ids):
            self._screen.notify("No two of these runs differ only by their seed.", markup=False)
        self._changed(True)
