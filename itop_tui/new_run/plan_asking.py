"""Asking for a plan while a form is typed into: one at a time, and the last word typed is the one that counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from textual import work
from textual.timer import Timer

from engine.config.field_info import explores_less
from itop_tui.new_run.plan_pane import PlanPane
from itop_tui.new_run.run_form import RunForm
from itop_tui.screen import ItopScreen
from itop_tui.service.estimates import Estimate, estimate
from itop_tui.service.sweeps import Grid

_PLAN_PAUSE = 0.25
"""Seconds without a key before a plan is asked for."""


class PlanAsking(ItopScreen):
    """A screen with a `PlanPane` that shows what its form would launch."""

    form: RunForm

    def __init__(self) -> None:
        super().__init__()
        self._wanted: Grid | None = None
        self._planning: Grid | None = None
        self._plan_timer: Timer | None = None

    def plan_later(self) -> None:
        """Ask for a plan when no key was pressed for a moment."""
        pane = self.query_one(PlanPane)
        self._wanted = self.form.grid
        if self._wanted is None:
            pane.plan, pane.note = None, "once the settings are right"
            return
        if self._plan_timer is not None:
            self._plan_timer.stop()
        self._plan_timer = self.set_timer(_PLAN_PAUSE, self._plan_now)

    def on_resize(self) -> None:
        """A plan that was out of sight may have come into it."""
        if self.is_mounted and self.query_one(PlanPane).plan is None:
            self.plan_later()

    def _plan_now(self) -> None:
        pane = self.query_one(PlanPane)
        if self._wanted is None or self._planning is not None or not pane.display:
            return
        self._planning = self._wanted
        # The first one waits for the helper process, which has torch to import.
        pane.note = "…" if pane.plan is not None else "comes when torch is loaded …"
        self._ask_plan(self._planning)

    @work(thread=True, group="plan", exit_on_error=False)
    def _ask_plan(self, grid: Grid) -> None:
        try:
            plan: Mapping[str, Any] | None = self.itop.plan(grid.configs[0])
            note = ""
        except Exception as error:  # a plan is a help, not a condition: the form works without
            plan, note = None, f"{error}".strip() or type(error).__name__
        try:
            taken = estimate(self.itop.database, grid.configs, plan) if plan is not None else None
        except Exception:  # nor is an estimate; a database that cannot be read is told by the poller
            taken = None
        if self.is_attached:
            self.app.call_from_thread(self._planned, grid, plan, taken, note)

    def _planned(self, grid: Grid, plan: Mapping[str, Any] | None, taken: Estimate | None, note: str) -> None:
        self._planning = None
        if self._wanted is not None and self._wanted != grid:
            self._plan_now()  # What was typed meanwhile.
            return
        if self._wanted is not None and self.is_attached:
            pane = self.query_one(PlanPane)
            pane.at_most = explores_less(grid.configs[0])
            number = len(grid.configs)
            pane.of = f"of the first of {number:,} runs" if number > 1 else ""
            pane.taken, pane.plan, pane.note = taken, plan, note
