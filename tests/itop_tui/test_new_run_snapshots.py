"""What the form of a new run looks like as a sweep and as a fork, with fixed data."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from textual.pilot import Pilot

from itop_tui import theme
from itop_tui.app import ItopApp
from itop_tui.estimates import Estimate
from itop_tui.screens.new_run import NewRunScreen
from itop_tui.widgets.plan_pane import PlanPane
from tests.itop_tui.support import MemoryReader, form_of, memory_app, sample_runs, started, wait_for

Compare = Callable[..., bool]

KNOWN = Estimate(
    4980.0, "from 6 past runs at 9.2k/s", 31_400_000, "at most 36 checkpoints, sized by past ones; and its rows"
)
UNKNOWN = Estimate(
    None, "unknown for 6 of 12 runs: no past run like it",
    None, "unknown: neither a past run like it nor its size is known",
)  # fmt: skip


def sweep(*keys: str) -> Callable[[Pilot[Any]], Awaitable[None]]:
    """Type a sweep into the form, and wait for its plan."""

    async def prepare(pilot: Pilot[Any]) -> None:
        app = pilot.app
        assert isinstance(app, ItopApp)
        await started(pilot, 12)
        await pilot.press("n")
        await wait_for(pilot, lambda: isinstance(app.screen, NewRunScreen))
        form = form_of(app)
        form.fields.go_to("seed")
        await pilot.press("ctrl+u", *"1..3")
        form.fields.go_to("growth")
        await pilot.press("comma")
        form.fields.go_to("density")
        await pilot.press("ctrl+u", *"0.05,0.1", *keys)
        pane = form.query_one(PlanPane)
        if pane.display:
            wanted = "of the first of 12 runs" if form.form.grid is not None else ""
            await wait_for(pilot, lambda: (pane.of == wanted and not pane.note) or form.form.grid is None)
        # The pane draws once more after what it shows has come.
        await wait_for(pilot, lambda: not app._batch_count)

    return prepare


def form_app(monkeypatch: pytest.MonkeyPatch, taken: Estimate, name: str = theme.DARK.name) -> ItopApp:
    monkeypatch.setattr("itop_tui.screens.plan_asking.estimate", lambda database, configs, plan: taken)
    app = memory_app(MemoryReader(sample_runs()))
    app.theme = name
    return app


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
def test_sweep(snap_compare: Compare, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]) -> None:
    assert snap_compare(form_app(monkeypatch, KNOWN), terminal_size=size, run_before=sweep())


@pytest.mark.parametrize("size", [(120, 40)])
def test_sweep_in_the_light_without_past_runs(
    snap_compare: Compare, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    assert snap_compare(form_app(monkeypatch, UNKNOWN, theme.LIGHT.name), terminal_size=size, run_before=sweep())


def test_sweep_with_a_wrong_value(snap_compare: Compare, monkeypatch: pytest.MonkeyPatch) -> None:
    app = form_app(monkeypatch, KNOWN)
    assert snap_compare(app, terminal_size=(80, 24), run_before=sweep(*",7"))
