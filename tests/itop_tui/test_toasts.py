"""Messages cover nothing that is being read: what is above them has fewer lines while they are shown."""

from __future__ import annotations

import pytest
from textual.widgets._toast import Toast

from itop_tui.runs.run_table import RunTable
from itop_tui.widgets.key_bar import KeyBar
from tests.itop_tui.support import MemoryReader, list_of, memory_app, sample_runs, started, wait_for


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_a_message_lies_between_the_list_and_the_keys(size: tuple[int, int]) -> None:
    app = memory_app(MemoryReader(sample_runs()))
    async with app.run_test(size=size, notifications=True) as pilot:
        await started(pilot, 12)
        screen = list_of(app)
        table, keys = screen.query_one(RunTable), screen.query_one(KeyBar)
        before = table.region.height
        for number in range(2):
            app.notify(f"message {number}", timeout=600)
        await wait_for(pilot, lambda: sum(bool(toast.region) for toast in screen.query(Toast)) == 2, "both messages")
        for toast in screen.query(Toast):
            assert toast.region.width == size[0]
            others = [table.region, keys.region, *(one.region for one in screen.query("#beside") if one.region)]
            assert all(not toast.region.overlaps(other) for other in others)
        app.clear_notifications()
        await wait_for(pilot, lambda: not screen.query(Toast), "the end of the messages")
        await wait_for(pilot, lambda: table.region.height == before, "the lines of the list")
