"""The real app with a run's screen open in it, or one widget alone."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import sqlalchemy as sa
from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.widget import Widget

from db.models import RunRow
from db.session import Database
from itop_tui.app import ItopApp
from itop_tui.look import theme
from itop_tui.run.run_screen import RunScreen
from tests.itop_tui.support import NOW as NOW
from tests.itop_tui.support import StillReader as StillReader
from tests.itop_tui.support import opened, wait_for


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


until = wait_for


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
        await opened(pilot)
        app.open_run(run_id)
        await until(pilot, lambda: isinstance(app.screen, RunScreen), "the run's screen")
        screen = app.screen
        assert isinstance(screen, RunScreen)
        await until(pilot, lambda: shows_curves(screen), "the run to be read")
        yield pilot, screen


def keep_alive(database: Database, run_id: int) -> None:
    """Let a recorded run give signs of life for longer than any test takes, on its own clock too."""
    with database.write() as session:
        session.execute(sa.update(RunRow).where(RunRow.id == run_id).values(heartbeat_at=time.time() + 86_400))


def shows_curves(screen: RunScreen) -> bool:
    """Whether the curves that the charts ask for now have been read."""
    view = screen.view
    return view is not None and view.curves is not None and view.curves.request == screen.charts.request
