"""The app as a process: what its start holds back."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from db.session import Database
from itop_tui.app import ItopApp
from tests.itop_tui.made import SIZE
from tests.itop_tui.support import MemoryReader, memory_app, sample_runs, screen_text, started, wait_for


@pytest.fixture
def held_back() -> Iterator[None]:
    """The garbage collector as `itop` leaves it to the app."""
    gc.disable()
    yield
    gc.enable()
    gc.unfreeze()


@pytest.mark.usefixtures("held_back")
async def test_garbage_is_collected_once_the_list_is_there() -> None:
    app = memory_app(MemoryReader(sample_runs()))
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 12)
        await wait_for(pilot, gc.isenabled)
        assert gc.get_freeze_count() > 0


@pytest.mark.usefixtures("held_back")
async def test_garbage_is_collected_where_there_is_no_list() -> None:
    def refuse() -> Database:
        raise OSError("no such disk")

    app = ItopApp(refuse)
    async with app.run_test(size=SIZE) as pilot:
        await wait_for(pilot, lambda: "no such disk" in screen_text(app))
        assert gc.isenabled()
