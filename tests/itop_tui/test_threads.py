"""Which thread does what: watchers and operations have threads of their own, and widgets belong to the event loop."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from textual.dom import DOMNode
from textual.pilot import Pilot
from textual.reactive import Reactive
from textual.widget import Widget

from db.paths import run_folder
from db.session import Database
from itop_tui.app import ItopApp
from itop_tui.run.log_tab import LogPane
from itop_tui.run.run_screen import RunScreen
from itop_tui.runs.runs_screen import RunsScreen
from tests.itop_tui.made import SIZE, create, run_it
from tests.itop_tui.support import started, wait_for

POOL = 6
"""Threads of asyncio's default pool on a machine of two cores."""


async def _log_open(pilot: Pilot[None], app: ItopApp, run_id: int) -> None:
    app.open_run(run_id)
    await wait_for(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.view is not None)
    await pilot.press("5")
    await wait_for(pilot, lambda: app.screen.query(LogPane) and app.screen.query_one(LogPane).ready)


async def test_open_screens_leave_the_pool_to_others(app: ItopApp, database: Database) -> None:
    made = create(database, 3)
    for run in made:
        folder = run_folder(run.uid)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "console.log").write_text("one line\n")
    async with app.run_test(size=SIZE) as pilot:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(POOL))
        await started(pilot, 3)
        for run in made:
            await _log_open(pilot, app, run.id)
        # As many at one time as there are threads: each waits for the others, so none may be taken.
        together = threading.Barrier(POOL, timeout=20)
        waiting = [asyncio.to_thread(together.wait) for _ in range(POOL)]
        assert sorted(await asyncio.gather(*waiting)) == list(range(POOL))


async def test_operations_are_done_and_answered_in_the_order_of_the_keys(app: ItopApp, database: Database) -> None:
    create(database, 1)
    done: list[str] = []
    answered: list[str] = []

    def slow(_: Database) -> str:
        time.sleep(0.3)
        done.append("slow")
        return "slow"

    def fast(_: Database) -> str:
        done.append("fast")
        return "fast"

    def failing(_: Database) -> str:
        done.append("failing")
        raise OSError("no space left")

    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 1)
        app.operate(slow, answered.append)
        app.operate(failing, answered.append, otherwise=lambda: answered.append("failed"))
        app.operate(fast, answered.append)
        await wait_for(pilot, lambda: len(answered) == 3)
    assert done == ["slow", "failing", "fast"]
    assert answered == ["slow", "failed", "fast"]


async def test_a_long_operation_beside_the_others_keeps_none_waiting(app: ItopApp, database: Database) -> None:
    create(database, 1)
    released = threading.Event()
    answered: list[bool | str] = []
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 1)
        app.operate(lambda _: released.wait(20), answered.append, aside=True)
        app.operate(lambda _: "next", answered.append)
        await wait_for(pilot, lambda: answered == ["next"])
        released.set()
        await wait_for(pilot, lambda: answered == ["next", True])


async def test_what_was_asked_for_is_done_although_the_app_is_left(app: ItopApp, database: Database) -> None:
    create(database, 1)
    done: list[str] = []

    def slow(_: Database) -> None:
        time.sleep(0.3)
        done.append("slow")

    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 1)
        app.operate(slow)
        app.operate(lambda _: done.append("after it"))
    assert done == ["slow", "after it"]


@pytest.fixture
def strangers(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """What other threads than the event loop's do to widgets: each as "thread: class.attribute"."""
    home = threading.get_ident()
    found: set[str] = set()

    def note(node: object, what: str) -> None:
        if threading.get_ident() != home and isinstance(node, Widget):
            found.add(f"{threading.current_thread().name}: {type(node).__name__}.{what}")

    read, write, query, refresh = Reactive.__get__, Reactive.__set__, DOMNode.query_one, Widget.refresh

    def reading(self: Reactive[object], obj: Reactive[object] | None, kind: type) -> object:
        note(obj, self.name)
        return read(self, obj, kind)  # type: ignore[arg-type]

    def writing(self: Reactive[object], obj: object, value: object) -> None:
        note(obj, self.name)
        write(self, obj, value)  # type: ignore[arg-type]

    def querying(self: DOMNode, *given: object) -> object:
        note(self, "query_one")
        return query(self, *given)  # type: ignore[call-overload]

    def refreshing(self: Widget, *given: object, **more: object) -> object:
        note(self, "refresh")
        return refresh(self, *given, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Reactive, "__get__", reading)
    monkeypatch.setattr(Reactive, "__set__", writing)
    monkeypatch.setattr(DOMNode, "query_one", querying)
    monkeypatch.setattr(Widget, "refresh", refreshing)
    return found


async def test_the_guard_sees_another_thread(strangers: set[str]) -> None:
    widget = Widget()
    await asyncio.to_thread(lambda: widget.disabled)
    assert len(strangers) == 1
    assert next(iter(strangers)).endswith("Widget.disabled")


async def test_no_widget_is_read_or_written_from_another_thread(
    app: ItopApp, database: Database, strangers: set[str]
) -> None:
    made = create(database, 3)
    run_it(database, made[0])
    async with app.run_test(size=(200, 60)) as pilot:
        await started(pilot, 3)
        await pilot.press("down", "up", "slash", *"stat", "escape", "space", "down", "space", "u")
        await pilot.pause(0.4)
        app.open_run(made[0].id)
        await wait_for(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.view is not None)
        for tab in "23451":
            await pilot.press(tab)
        await pilot.pause(0.4)
        await pilot.press("escape")
        await wait_for(pilot, lambda: isinstance(app.screen, RunsScreen))
        for open_it in (app.open_queue, lambda: app.open_compare([1, 2]), app.open_new_run):
            open_it()
            await wait_for(pilot, lambda: not isinstance(app.screen, RunsScreen))
            await pilot.pause(0.4)
            await pilot.press("escape")
            await wait_for(pilot, lambda: isinstance(app.screen, RunsScreen))
    assert strangers == set()
