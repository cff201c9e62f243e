"""What a comparison reads, it reads in threads of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from textual.app import App

from itop_tui.compare.comparison_reader import LatestReading
from tests.itop_tui.compare.conftest import Opened
from tests.itop_tui.compare.driving import lines, press
from tests.itop_tui.run.hosting import until


class Reads(App[None]):
    """Takes what is read, and notes it."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[object] = []
        self.threads: set[int] = set()
        self.reading: LatestReading[int] = LatestReading(self, self._then)

    def _then(self) -> None:
        self.threads.add(threading.get_ident())
        self.seen.append(self.reading.problem or self.reading.value)


async def test_of_several_wishes_during_a_reading_the_newest_is_read_next() -> None:
    app, go, read = Reads(), threading.Event(), list[int]()

    def reads(value: int) -> Callable[[], int]:
        def work() -> int:
            assert go.wait(30)
            read.append(value)
            return value

        return work

    def settled() -> bool:
        return app.reading.is_settled

    async with app.run_test() as pilot:
        for wish in (1, 2, 3, 4):
            app.reading.ask(wish, reads(wish))
        assert not settled()
        go.set()
        await until(pilot, settled, "the last wish")
        assert (read, app.seen) == ([1, 4], [1, 4])
        app.reading.ask(4, reads(5))
        assert settled(), "the same wish is not read twice"
        app.reading.ask(4, reads(6), again=True)
        await until(pilot, lambda: app.reading.is_settled, "the wish again")
        assert app.seen == [1, 4, 6]
        assert app.threads == {threading.get_ident()}, "it is shown on the event loop"
        app.reading.close()


async def test_what_could_not_be_read_is_said_and_the_value_before_stays() -> None:
    app = Reads()

    def fails() -> int:
        raise OSError("gone")

    async with app.run_test() as pilot:
        app.reading.ask("one", lambda: 1)
        await until(pilot, lambda: app.reading.is_settled, "the value")
        app.reading.ask("two", fails)
        await until(pilot, lambda: app.reading.is_settled, "the problem")
        assert (app.reading.value, app.reading.problem) == (1, "gone")
        app.reading.ask("three", lambda: 3)
        await until(pilot, lambda: app.reading.is_settled, "the value again")
        assert (app.reading.value, app.reading.problem) == (3, None)
        app.reading.close()


async def test_a_comparison_reads_while_no_thread_of_the_default_pool_is_free(opened: Opened) -> None:
    async with opened(1, 4) as (pilot, screen):
        release = threading.Event()
        pool = ThreadPoolExecutor(max_workers=1)
        asyncio.get_running_loop().set_default_executor(pool)
        pool.submit(release.wait, 60)
        try:
            assert lines(screen)[0].x[0] <= 1
            await press(pilot, screen, "plus")
            await until(pilot, lambda: lines(screen)[0].x[0] > 20, "the window's curves")
        finally:
            release.set()


async def test_a_screen_that_is_left_ends_its_threads(opened: Opened) -> None:
    async with opened(1, 4) as (pilot, screen):
        during = {thread for thread in threading.enumerate() if thread.name.startswith("itop-compare")}
        assert during
        screen.app.pop_screen()
        await until(pilot, lambda: not any(thread.is_alive() for thread in during), "the threads to end")
