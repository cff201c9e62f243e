"""How soon a change made in another terminal is seen in the app, and a command is answered by a true worker.

Run with `-m benchmark --benchmark-enable -s`; the figures are printed. Times hold on two cores that do nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pytest

from db.runs import commands, runs
from db.session import Database
from itop_tui.app import ItopApp
from itop_tui.queue.queue_screen import QueueScreen
from tests.benchmarks.measuring import spread
from tests.engine.worker_runs import create as create_run
from tests.engine.worker_runs import started as worker
from tests.itop_tui.made import create
from tests.itop_tui.support import FixedPlanner, StillReader, opened, screen_text, wait_for
from tests.patience import wait_for as wait

pytestmark = pytest.mark.benchmark
SEEN_SECONDS, ANSWERED_SECONDS = 1.0, 2.0


def answered(database: Database, run_id: int, command_id: int) -> bool:
    return any(one.done_at for one in commands.for_run(database, run_id) if one.id == command_id)


def app_over(database: Database, monkeypatch: pytest.MonkeyPatch) -> ItopApp:
    monkeypatch.setattr("engine.launch.submit.ensure_scheduler", lambda db: None)
    app = ItopApp(Database.open, reader=StillReader, planner=FixedPlanner())
    app.animation_level = "none"
    return app


async def test_a_change_is_seen_in_the_list_within_a_second(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = Database.open()
    first = create(database)[0]
    app = app_over(database, monkeypatch)
    seconds = []
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        for number in range(5):
            await pilot.pause(1.0)
            before = time.monotonic()
            runs.update_fields(database, first.id, name=f"renamed {number}")
            await wait_for(pilot, lambda number=number: f"renamed {number}" in screen_text(app))  # type: ignore[misc]
            seconds.append(time.monotonic() - before)
    print(f"\nseen in the list after {spread(seconds)}")
    assert max(seconds) < SEEN_SECONDS
    database.close()


async def test_a_change_is_seen_in_the_queue_within_a_second(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = Database.open()
    first, second, third = create(database)
    app = app_over(database, monkeypatch)
    changes: list[Callable[[], object]] = [
        lambda: runs.move(database, third.id, "top"),
        lambda: runs.hold(database, second.id),
        lambda: runs.set_priority(database, first.id, 5),
    ]
    seconds = []
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        await pilot.press("Q")
        await wait_for(pilot, lambda: isinstance(app.screen, QueueScreen))
        screen: Any = app.screen
        await wait_for(pilot, lambda: screen.is_mounted and len(screen.board.scene.state.waiting) == 3)
        for change in changes:
            await pilot.pause(1.0)
            state = screen.board.scene.state
            before = time.monotonic()
            change()
            await wait_for(pilot, lambda state=state: screen.board.scene.state != state)  # type: ignore[misc]
            seconds.append(time.monotonic() - before)
    print(f"\nseen in the queue after {spread(seconds)}")
    assert max(seconds) < SEEN_SECONDS
    database.close()


def test_a_true_worker_answers_each_command_within_two_seconds(home: Path) -> None:
    database = Database.open()
    run = create_run(database, data="digits", multiplier=1000)
    seconds: dict[str, float] = {}
    kinds: tuple[Literal["pause", "checkpoint", "unpause", "stop"], ...] = ("pause", "checkpoint", "unpause", "stop")
    with worker(database, run):
        wait(lambda: runs.get(database, run.id).step > 0, "the first step")
        for kind in kinds:
            command = commands.send(database, run.id, kind)
            sent = time.monotonic()
            wait(partial(answered, database, run.id, command.id), kind)
            seconds[kind] = time.monotonic() - sent
    print("\n" + "\n".join(f"{kind}: answered after {taken:.2f} s" for kind, taken in seconds.items()))
    assert max(seconds.values()) < ANSWERED_SECONDS
    database.close()
