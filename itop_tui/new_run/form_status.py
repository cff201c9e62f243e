"""The line below the form: whether the run can be launched, and what it would be."""

from __future__ import annotations

from itop_tui.figures.format import count, duration, plain, plural
from itop_tui.look.toned import TonedLine
from itop_tui.new_run.run_form import RunForm
from itop_tui.service import sweeps


class FormStatus(TonedLine):
    """Says what is wrong, or how large what would be launched is."""

    def show_state(self, form: RunForm, from_step: int = 0, seconds: float | None = None) -> None:
        """Show the state of a form.

        Args:
            form: The form.
            from_step: The step of the checkpoint that the run continues from; what is said is of the steps that remain.
            seconds: How long all runs of a sweep will take together, one after the other; None while it is not known.
        """
        problem = form.summary()
        if problem is not None:
            self.parts = (("✗ ", "bad"), (plain(problem, limit=200), "bad"))
            return
        assert form.config is not None
        changes = plural(len(form.changes), "change") if form.changes else "nothing changed"
        self.parts = (("✓ ready  ", "good"), (f"{_size(form, from_step, seconds)} · {changes}", "text"))


def _size(form: RunForm, from_step: int, seconds: float | None) -> str:
    if form.grid is not None and form.grid.axes:
        time = "" if seconds is None else f", about {duration(seconds)}"
        return f"{plural(form.grid.runs, 'run')}{time}: {sweeps.axes_shown(form.grid)}"
    assert form.config is not None
    planned = form.config.planned_steps()
    if planned is None:
        return f"{form.config.method} · length not known"
    after = f" after step {from_step:,}" if from_step else ""
    return f"{form.config.method} · {count(max(0, planned - from_step))} steps{after}"
