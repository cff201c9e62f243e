"""The real app with a run's screen open in it, or one widget alone; and waiting for conditions instead of times."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.widget import Widget

from db.session import Database
from itop_tui.app import ItopApp
from itop_tui.look import theme
from itop_tui.poller import DatabaseReader
from itop_tui.run.run_screen import RunScreen

NOW = 1_772_000_000.0
"""The time of all tests that look at ages."""


class Host(App[None]):
    """An app with one widget and the themes of itop."""

    CSS = "HeatMap, Chart { height: 1fr; }"

    def __init__(self, widget: Widget) -> None:
        super().__init__()
        self._widget = widget
        for each in theme.THEMES:
            self.register_theme(each)
        self.theme = theme.DARK.name

    def compose(self) -> ComposeResult:
        """The widget alone."""
        yield self._widget

    def text(self) -> list[str]:
        """What the screen shows."""
        return [strip.text for strip in self.screen._compositor.render_strips()]


class StillReader(DatabaseReader):
    """Reads as the app does, but settles no runs: those of the tests have no process."""

    def settle(self) -> None:
        """Leave the runs as the test made them."""


async def until(pilot: Pilot[None], condition: Callable[[], bool], what: str, patience: float = 60.0) -> None:
    """Let the app work until a condition holds; fail with `what` was waited for."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        await pilot.pause(0.01)
    await pilot.pause()


@asynccontextmanager
async def run_screen(
    database: Callable[[], Database],
    run_id: int,
    *,
    size: tuple[int, int] = (120, 40),
    clock: Callable[[], float] = time.time,
) -> AsyncIterator[tuple[Pilot[None], RunScreen]]:
    """The app with the screen of a run, once the run was read."""
    app = ItopApp(database, reader=StillReader, clock=clock)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.is_open and app.snapshot is not None, "the database to open")
        app.open_run(run_id)
        await until(pilot, lambda: isinstance(app.screen, RunScreen), "the run's screen")
        screen = app.screen
        assert isinstance(screen, RunScreen)
        await until(pilot, lambda: shows_curves(screen), "the run to be read")
        yield pilot, screen


def shows_curves(screen: RunScreen) -> bool:
    """Whether the curves that the charts ask for now have been read."""
    view = screen.view
    return view is not None and view.curves is not None and view.curves.request == screen.charts.request
