"""A home with the runs that are compared, recorded once and copied for each test."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from pathlib import Path

import pytest
from textual.pilot import Pilot

from db.session import Database
from itop_tui.app import ItopApp
from itop_tui.compare.compare_screen import CompareScreen
from tests.itop_tui.compare.made import compared
from tests.itop_tui.support import NOW, StillReader, wait_for
from tests.itop_tui.support import opened as list_opened

Opened = Callable[..., AbstractAsyncContextManager[tuple[Pilot[None], CompareScreen]]]


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with six runs, of which the first three and the next two differ by their seed alone."""
    home = tmp_path_factory.mktemp("compared")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ITOP_HOME", str(home))
        patch.delenv("ITOP_DATABASE_URL", raising=False)
        with closing(Database.open()) as database:
            compared(database)
    return home


@pytest.fixture(autouse=True)
def home(tmp_path: Path, recorded: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`ITOP_HOME` in a folder of the test."""
    home = tmp_path / "home"
    shutil.copytree(recorded, home)
    monkeypatch.setenv("ITOP_HOME", str(home))
    monkeypatch.delenv("ITOP_DATABASE_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    return home


@pytest.fixture
def opened() -> Opened:
    """The app with a comparison open in it."""

    @asynccontextmanager
    async def open_compare(
        *ids: int, size: tuple[int, int] = (120, 40)
    ) -> AsyncIterator[tuple[Pilot[None], CompareScreen]]:
        app = ItopApp(Database.open, reader=StillReader, clock=lambda: NOW)
        async with app.run_test(size=size) as pilot:
            await list_opened(pilot)
            app.open_compare(ids or (1, 2, 3, 4, 5, 6))
            await wait_for(pilot, lambda: isinstance(app.screen, CompareScreen), "the screen")
            screen = app.screen
            assert isinstance(screen, CompareScreen)
            await wait_for(pilot, lambda: screen.is_settled, "the runs to be read")
            yield pilot, screen

    return open_compare
