"""The screen of the queue over a real database, driven by keys."""

from __future__ import annotations

import random
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
from textual.pilot import Pilot

from db import key_values
from db.records import RunRecord, RunStatus, StartsAfter
from db.runs import attempts, commands, dependencies, queue, runs
from db.runs.runs import NewRun
from db.session import Database
from engine.config.run_config import RunConfig
from engine.launch import submit
from engine.launch.devices import DeviceList
from engine.launch.processes import host_name
from itop_tui.app import ItopApp
from itop_tui.keys import in_scope
from itop_tui.queue.others_chooser import OthersChooser
from itop_tui.queue.queue_screen import QueueScreen
from itop_tui.queue.queue_state import QueueState
from itop_tui.run.run_screen import RunScreen
from itop_tui.runs.runs_screen import RunsScreen
from tests.described import described
from tests.itop_tui.made import toasts
from tests.itop_tui.queue.support import BROKEN, CPU, DEVICES, GPU
from tests.itop_tui.support import screen_text, wait_for
from tests.itop_tui.test_monkey import Life

CONFIG = RunConfig.create(data="digits").as_dict()


@pytest.fixture(autouse=True)
def devices(monkeypatch: pytest.MonkeyPatch) -> list[DeviceList]:
    """What is read of the devices; the last one from now on."""
    read = [DEVICES]
    monkeypatch.setattr("engine.launch.devices.list_devices", lambda: read[-1])
    return read


def make(database: Database, number: int) -> list[RunRecord]:
    return [runs.create(database, **described(CONFIG), name=f"work {letter}") for letter in "abcdefgh"[:number]]


def at_work(database: Database, run: RunRecord, device: str = "cpu", pid: int = 4242) -> None:
    attempt = runs.reserve(database, run.id, host=host_name(), device=device, slots=9)
    assert attempt is not None
    attempts.running(database, attempt.id, pid=pid, start_time=None, boot_id=None)


@asynccontextmanager
async def queue_open(
    app: ItopApp, listed: int, size: tuple[int, int] = (120, 40)
) -> AsyncIterator[tuple[Pilot[Any], QueueScreen]]:
    async with app.run_test(size=size) as pilot:
        await wait_for(pilot, lambda: app.is_open and app.snapshot is not None)
        await pilot.press("Q")
        await wait_for(pilot, lambda: isinstance(app.screen, QueueScreen))
        screen = app.screen
        assert isinstance(screen, QueueScreen)
        await wait_for(pilot, lambda: screen.is_mounted and len(ids(screen)) == listed)
        yield pilot, screen


def ids(screen: QueueScreen) -> list[int]:
    """The runs listed, in order."""
    scene = screen.board.scene
    return [run.id for run in (*scene.state.active, *scene.state.waiting)]


def is_not_shown(screen: QueueScreen, state: QueueState) -> bool:
    return screen.board.scene.state != state


def waiting(database: Database) -> list[str]:
    return [run.name[-1] for run in runs.waiting(database)]


def stands(database: Database, expected: str) -> bool:
    return "".join(waiting(database)) == expected


async def test_runs_are_moved_and_the_cursor_goes_with_them(app: ItopApp, database: Database) -> None:
    made = make(database, 4)
    async with queue_open(app, 4) as (pilot, screen):
        assert screen.current_run == made[0]
        for key, expected in (
            ("shift+down", "bacd"), ("shift+down", "bcad"), ("shift+up", "bacd"), ("shift+up", "abcd"),
            ("dollar_sign", "bcda"), ("circumflex_accent", "abcd"),
        ):  # fmt: skip
            await pilot.press(key)
            await wait_for(pilot, partial(stands, database, expected))
            await wait_for(pilot, lambda: ids(screen) == [run.id for run in runs.waiting(database)])
            assert screen.current_run is not None
            assert screen.current_run.id == made[0].id


async def test_marked_runs_are_held_released_ranked_and_moved_together(
    app: ItopApp, database: Database, scheduled: list[str]
) -> None:
    made = make(database, 4)
    async with queue_open(app, 4) as (pilot, screen):
        await pilot.press("down", "space", "space")
        assert list(screen.board.marked) == [made[1].id, made[2].id]
        await pilot.press("^")
        await wait_for(pilot, lambda: "".join(waiting(database)) == "bcad")
        await pilot.press("w")
        await wait_for(pilot, lambda: [run.name[-1] for run in runs.queued(database)] == ["a", "d"])
        await wait_for(pilot, lambda: screen_text(app).count("◌ held") == 2)
        assert scheduled == []
        await pilot.press("w")
        await wait_for(pilot, lambda: len(runs.queued(database)) == 4)
        assert len(scheduled) == 1
        await wait_for(pilot, lambda: "◌ held" not in screen_text(app))
        await pilot.press("minus")
        await wait_for(pilot, lambda: "".join(waiting(database)) == "adbc")
        await pilot.press("u", "%", "+")
        await wait_for(pilot, lambda: [run.priority for run in runs.waiting(database)] == [1, 1, 0, 0])
        await pilot.press("u")
        assert screen.board.marked == {}


def line_of(app: ItopApp, name: str) -> str:
    """The line of the screen that shows a run."""
    return next((line for line in screen_text(app).splitlines() if name in line), "")


async def test_all_that_is_listed_of_a_long_queue_can_be_seen_and_chosen_although_only_the_visible_runs_are_read(
    app: ItopApp, database: Database, scheduled: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    listed, first = 60, range(20)
    monkeypatch.setattr("itop_tui.queue.queue_state.LISTED", listed)
    monkeypatch.setattr("itop_tui.queue.queue_state._FIRST", first)
    made = runs.create_many(database, [NewRun(**described(CONFIG), name=f"no. {one}") for one in range(100)])
    async with queue_open(app, len(first), (120, 24)) as (pilot, screen):
        assert "100 runs" in screen_text(app)
        last = made[listed - 1]
        await pilot.press("end")
        await wait_for(pilot, lambda: line_of(app, last.name))
        assert screen.current_run == last
        assert line_of(app, last.name).split()[1:2] == [str(listed)]
        assert made[0].id not in ids(screen)
        screen.board.scroll_to(y=0, animate=False)
        await wait_for(pilot, lambda: line_of(app, made[0].name))
        assert len(ids(screen)) < listed
        await pilot.press("%", "w")
        await wait_for(pilot, lambda: runs.how_many_wait(database) == (100, listed))
        assert all(run.held for run in runs.waiting(database, listed))


async def test_the_slots_of_a_device_are_changed_in_place(app: ItopApp, database: Database) -> None:
    make(database, 1)
    async with queue_open(app, 1) as (pilot, screen):
        await wait_for(pilot, lambda: "AMD EPYC 7763" in screen_text(app))
        await pilot.press("home")
        assert screen.board.device == "cpu"
        assert "slot +1" in screen_text(app)
        await pilot.press("+", "+")
        await wait_for(pilot, lambda: "0 of 3 slots taken" in screen_text(app))
        assert key_values.get(database, "slots") == {"cpu": 3}
        await pilot.press("down", "minus")
        await wait_for(pilot, lambda: "closed: 0 slots" in screen_text(app))
        assert key_values.get(database, "slots") == {"cpu": 3, "cuda:0": 0}


async def test_what_another_terminal_changes_is_seen(app: ItopApp, database: Database) -> None:
    first, second, third = make(database, 3)
    async with queue_open(app, 3) as (pilot, screen):
        changes: list[Callable[[], object]] = [
            lambda: runs.move(database, third.id, "top"),
            lambda: runs.hold(database, second.id),
            lambda: runs.set_priority(database, first.id, 5),
        ]
        for change in changes:
            before = screen.board.scene.state
            change()
            await wait_for(pilot, partial(is_not_shown, screen, before))
        assert ids(screen) == [first.id, third.id, second.id]


async def test_runs_at_work_are_paused_stopped_and_opened(app: ItopApp, database: Database) -> None:
    first, second, third = make(database, 3)
    at_work(database, first)
    at_work(database, second, "cuda:0")
    async with queue_open(app, 3) as (pilot, screen):
        await pilot.press("P")
        await wait_for(pilot, lambda: all(commands.pending(database, run.id) for run in (first, second)))
        assert [commands.pending(database, run.id)[0].kind for run in (first, second)] == ["pause", "pause"]
        screen.show_run(second.id)
        await pilot.press("p")
        await pilot.press("s")
        await wait_for(pilot, lambda: [one.kind for one in commands.pending(database, second.id)] == ["pause", "stop"])
        await pilot.press("shift+down")
        assert commands.pending(database, first.id)[0].kind == "pause"
        assert "only a queued run" in app.notices[-1].text
        screen.show_run(third.id)
        await pilot.press("s")
        await wait_for(pilot, lambda: runs.get(database, third.id).status == "stopped")
        screen.show_run(first.id)
        await pilot.press("enter")
        await wait_for(pilot, lambda: isinstance(app.screen, RunScreen))
        await pilot.press("escape")
        await wait_for(pilot, lambda: app.screen is screen)
        await pilot.press("escape")
        assert isinstance(app.screen, RunsScreen)


async def test_paused_runs_all_go_on_where_none_is_running(app: ItopApp, database: Database) -> None:
    (run,) = make(database, 1)
    at_work(database, run)
    async with queue_open(app, 1) as (pilot, _):
        await pilot.press("P")
        await wait_for(pilot, lambda: commands.pending(database, run.id))
        commands.acknowledge(database, commands.pending(database, run.id)[0].id, "paused")
        attempt = attempts.latest(database, run.id)
        assert attempt is not None
        attempts.set_status(database, attempt.id, RunStatus.PAUSED)
        assert "P pause all" in screen_text(app)
        await wait_for(pilot, lambda: "‖ paused" in screen_text(app))
        await wait_for(pilot, lambda: "P continue all" in screen_text(app))
        await pilot.press("P")
        await wait_for(pilot, lambda: [one.kind for one in commands.pending(database, run.id)] == ["unpause"])


async def test_the_scheduler_is_started_where_it_is_needed(
    app: ItopApp, database: Database, scheduled: list[str]
) -> None:
    async with queue_open(app, 0) as (pilot, _):
        await wait_for(pilot, lambda: "none is needed" in screen_text(app))
        await pilot.press("S")
        assert "Queue is empty" in app.notices[-1].text
        await pilot.press("P")
        assert "Nothing is running" in app.notices[-1].text
        make(database, 1)
        await wait_for(pilot, lambda: "! no scheduler is running" in screen_text(app))
        await pilot.press("S")
        await wait_for(pilot, lambda: scheduled)


async def test_devices_are_watched_and_programs_of_others_named(
    app: ItopApp, database: Database, devices: list[DeviceList]
) -> None:
    (run,) = make(database, 1)
    at_work(database, run, "cuda:0", pid=4242)
    async with queue_open(app, 1, size=(80, 24)) as (pilot, screen):
        await wait_for(pilot, lambda: "88 °C hot" in screen_text(app))
        assert "of others: " in screen_text(app)
        assert "(pid 1, 70.9 GB)" in screen_text(app)
        assert "4242" not in screen_text(app)
        assert "cannot be read: GPU is lost" in screen_text(app)
        devices.append(DeviceList((CPU,), "the NVIDIA driver does not answer: Unknown Error", unreadable=True))
        await wait_for(pilot, lambda: "! GPUs cannot be read" in screen_text(app))
        assert f"work {run.name[-1]}" in screen_text(app)
        await pilot.press("escape")
        await wait_for(pilot, lambda: not screen.is_attached)
        devices.append(DeviceList((CPU, GPU, BROKEN)))


async def test_the_mouse_chooses_marks_and_opens(app: ItopApp, database: Database) -> None:
    first, second = make(database, 2)
    async with queue_open(app, 2) as (pilot, screen):
        await wait_for(pilot, lambda: "AMD EPYC 7763" in screen_text(app))
        row = next(number for number, line in enumerate(screen_text(app).splitlines()) if "work b" in line)
        await pilot.click(None, offset=(30, row))
        assert screen.current_run == second
        await pilot.click(None, offset=(30, row - 1), control=True)
        assert screen.board.marked == {first.id: first}
        await pilot.click(None, offset=(30, row), times=2)
        await wait_for(pilot, lambda: isinstance(app.screen, RunScreen))


async def test_random_keys_do_not_break_it_while_runs_come_and_go(app: ItopApp, database: Database) -> None:
    seed = 1
    choose = random.Random(seed)
    names = {action.name for action in in_scope("queue")} - {"leave", "open_run", "start_after"}
    keys = [key for action in in_scope("queue") if action.name in names for key in action.key.split(",")]
    keys += ["down", "up", "home", "end", "G", "pagedown", "pageup", "j", "k"]
    make(database, 6)
    with Life(database, seed) as life:
        async with app.run_test(size=(80, 24)) as pilot:
            await wait_for(pilot, lambda: app.is_open and app.snapshot is not None)
            app.open_queue()
            await wait_for(pilot, lambda: isinstance(app.screen, QueueScreen) and app.screen.is_mounted)
            for _ in range(80):
                await pilot.press(choose.choice(keys))
                assert isinstance(app.screen, QueueScreen)
            assert app._exception is None
    assert life.error is None


def threads_alive(*names: str) -> set[str]:
    return {thread.name for thread in threading.enumerate() if thread.is_alive()} & set(names)


async def test_what_watches_for_the_queue_has_threads_of_its_own_that_end_with_the_screen(
    app: ItopApp, database: Database
) -> None:
    """It sat in asyncio's default pool, which has a few threads, for as long as the screen was open."""
    make(database, 1)
    async with queue_open(app, 1) as (pilot, screen):
        assert threads_alive("itop-queue", "itop-devices") == {"itop-queue", "itop-devices"}
        assert not [worker for worker in app.workers if worker.node is screen and not worker.is_finished]
        await pilot.press("escape")
        await wait_for(pilot, lambda: not threads_alive("itop-queue", "itop-devices"))


async def test_a_scheduler_that_starts_or_ends_is_noticed_although_nothing_is_committed(
    app: ItopApp, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving = [False]
    monkeypatch.setattr("itop_tui.queue.queue_state._EVERY", 0.05)
    monkeypatch.setattr("engine.launch.submit.scheduler_running", lambda db: serving[0])
    make(database, 1)
    async with queue_open(app, 1) as (pilot, screen):
        assert not screen.board.scene.state.scheduler
        serving[0] = True
        await wait_for(pilot, lambda: screen.board.scene.state.scheduler)
        serving[0] = False
        await wait_for(pilot, lambda: not screen.board.scene.state.scheduler)


async def test_what_a_run_starts_after_is_chosen(app: ItopApp, database: Database, scheduled: list[str]) -> None:
    first, second, third = make(database, 3)
    at_work(database, first)
    async with queue_open(app, 3) as (pilot, screen):
        screen.show_run(third.id)
        await pilot.press("T")
        await wait_for(pilot, lambda: isinstance(app.screen, OthersChooser))
        assert f"Run {third.id} (work c) starts after" in screen_text(app)
        await pilot.press("space", "down", "space", "space", "enter")
        expected = StartsAfter((first.id,), (second.id,))
        await wait_for(pilot, lambda: dependencies.of(database, [third.id]) == {third.id: expected})
        reason = f"after run {first.id} (running); after run {second.id} (queued), if it completes"
        await wait_for(pilot, lambda: screen.board.scene.state.reasons.get(third.id) == reason)
        assert "after run 1 (running)" in screen_text(app)
        await pilot.press("T")
        await wait_for(pilot, lambda: isinstance(app.screen, OthersChooser))
        assert "if completed  run 2" in screen_text(app)
        await pilot.press("down", "space", "enter")  # not at all
        await wait_for(pilot, lambda: dependencies.of(database, [third.id]) == {third.id: StartsAfter((first.id,))})
        await pilot.press("T")
        await wait_for(pilot, lambda: isinstance(app.screen, OthersChooser))
        await pilot.press("escape")
        await wait_for(pilot, lambda: app.screen is screen)
        assert dependencies.of(database, [third.id]) == {third.id: StartsAfter((first.id,))}


async def test_a_run_that_will_not_start_is_shown_as_held_with_its_reason(app: ItopApp, database: Database) -> None:
    first, second, third = make(database, 3)
    queue.start_after(database, [second.id], StartsAfter(after_ok=(first.id,)))
    queue.start_after(database, [third.id], StartsAfter(after_ok=(second.id,)))
    commands.send(database, first.id, "stop")
    submit.reconcile(database)
    async with queue_open(app, 2, (120, 40)) as (pilot, screen):
        await wait_for(pilot, lambda: screen_text(app).count("◌ held") == 2)
        reasons = screen.board.scene.state.reasons
        assert reasons[second.id] == "held: after run 1, which was stopped"
        assert reasons[third.id] == "held: after run 2, which is held behind run 1, which was stopped"
        screen.show_run(second.id)
        await pilot.press("w")
        await wait_for(pilot, lambda: "is released by itself when that run is" in toasts(app))
        runs.requeue_resume(database, first.id, None)
        submit.reconcile(database)
        await wait_for(pilot, lambda: "◌ held" not in screen_text(app))


async def test_a_circle_is_refused_in_words(app: ItopApp, database: Database) -> None:
    first, second = make(database, 2)
    queue.start_after(database, [second.id], StartsAfter((first.id,)))
    async with queue_open(app, 2) as (pilot, screen):
        screen.show_run(first.id)
        await pilot.press("T")
        await wait_for(pilot, lambda: isinstance(app.screen, OthersChooser))
        await pilot.press("space", "enter")
        await wait_for(pilot, lambda: "cannot start after run 2" in toasts(app))
        assert dependencies.of(database, [first.id]) == {}
