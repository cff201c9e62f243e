"""What can be done to runs from the list: start, stop, continue."""

from __future__ import annotations

from functools import partial

import pytest

from db.records import RunStatus
from db.runs import commands, runs
from db.session import Database
from itop_tui.app import ItopApp
from itop_tui.dialogs.questions import Confirm
from itop_tui.new_run.new_run_screen import NewRunScreen
from itop_tui.runs.runs_screen import RunsScreen
from tests.engine.launch.hosts import elsewhere, silent
from tests.itop_tui.made import SIZE, add_checkpoint, create, end_it, reported, run_it, toasts
from tests.itop_tui.support import (
    form_of,
    screen_text,
    started,
    table_of,
    wait_for,
)


async def test_stop_asks_a_running_run_and_ends_a_queued_one(app: ItopApp, database: Database) -> None:
    queued, running = create(database, 2)
    run_it(database, running)
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 2)
        await pilot.press("s")
        await wait_for(pilot, lambda: commands.pending(database, running.id))
        assert [command.kind for command in commands.pending(database, running.id)] == ["stop"]
        await pilot.press("j", "s")
        await wait_for(pilot, lambda: runs.get(database, queued.id).status is RunStatus.STOPPED)
        await wait_for(pilot, lambda: "stopped" in screen_text(app))


async def test_what_cannot_be_done_is_refused_with_the_reason(app: ItopApp, database: Database) -> None:
    (run,) = create(database, 1)
    end_it(database, run)
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 1)
        for key, reason in (("s", "nothing to stop"), ("K", "nothing to kill"), ("p", "only a running one")):
            await pilot.press(key)
            await wait_for(pilot, partial(reported, app, reason))


async def test_kill_asks_first_and_only_y_means_yes(
    app: ItopApp, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    (run,) = create(database, 1)
    run_it(database, run)
    killed: list[int] = []
    monkeypatch.setattr("engine.launch.submit.kill", lambda db, run_id: killed.append(run_id))
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 1)
        await pilot.press("K")
        await wait_for(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press("enter")
        assert isinstance(app.screen, Confirm)
        await pilot.press("n")
        assert not killed
        await pilot.press("K", "y")
        await wait_for(pilot, lambda: killed == [run.id])


async def test_a_run_whose_machine_is_gone_is_given_up_after_asking(app: ItopApp, database: Database) -> None:
    (run,) = create(database, 1)
    assert runs.reserve(database, run.id, host=elsewhere(), device="cpu", slots=1) is not None
    silent(database, run.id, 3 * 3600)
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 1)
        await pilot.press("L")
        await wait_for(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press("y")
        await wait_for(pilot, lambda: runs.get(database, run.id).status is RunStatus.LOST)
        await wait_for(pilot, partial(reported, app, "Gave up"))


async def test_where_runs_are_marked_the_foot_begins_with_what_is_done_to_several(
    app: ItopApp, database: Database
) -> None:
    create(database, 2)
    async with app.run_test(size=(80, 24)) as pilot:
        await started(pilot, 2)

        def foot() -> str:
            return screen_text(app).splitlines()[-1].strip()

        assert foot().startswith("↵ open")
        await pilot.press("space")
        assert foot().startswith("u clear selection  ↵ open"), "one run is compared with nothing"
        await pilot.press("space")
        assert foot().startswith("c compare  u clear selection  ↵ open")
        await pilot.press("u")
        assert foot().startswith("↵ open")


async def test_marked_runs_are_acted_on_together(app: ItopApp, database: Database) -> None:
    made = create(database, 4)
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 4)
        await pilot.press("space", "space")
        assert "2 selected" in screen_text(app)
        await pilot.press("s")
        await wait_for(pilot, lambda: runs.get(database, made[2].id).status is RunStatus.STOPPED)
        assert [runs.get(database, run.id).status for run in made] == ["queued", "queued", "stopped", "stopped"]
        await pilot.press("t", *"paper", "enter")
        await wait_for(pilot, lambda: runs.get(database, made[3].id).tags == ("paper",))
        assert runs.get(database, made[2].id).tags == ("paper",)
        await pilot.press("u")
        assert table_of(app).marked_ids == ()


async def test_pause_and_go_on(app: ItopApp, database: Database) -> None:
    (run,) = create(database, 1)
    run_it(database, run)
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 1)
        await pilot.press("p")
        await wait_for(pilot, lambda: commands.pending(database, run.id))
        assert [command.kind for command in commands.pending(database, run.id)] == ["pause"]


async def test_resume_queues_the_run_from_its_last_checkpoint(
    app: ItopApp, database: Database, scheduled: list[str]
) -> None:
    (run,) = create(database, 1)
    end_it(database, run, RunStatus.STOPPED)
    checkpoint = add_checkpoint(database, run)
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 1)
        await pilot.press("r")
        await wait_for(pilot, lambda: runs.get(database, run.id).status is RunStatus.QUEUED)
        assert runs.get(database, run.id).start_checkpoint_id == checkpoint
        await wait_for(pilot, lambda: "is queued to resume from step" in toasts(app))
        assert len(scheduled) == 1
        await pilot.press("r")
        await wait_for(pilot, lambda: "queued already" in toasts(app))


async def test_fork_opens_the_form_with_the_parents_settings(app: ItopApp, database: Database) -> None:
    (run,) = create(database, 1)
    end_it(database, run)
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 1)
        await pilot.press("f")
        await wait_for(pilot, lambda: "no checkpoint to fork from" in toasts(app))
        checkpoint = add_checkpoint(database, run, step=40)
        await pilot.press("f")
        await wait_for(pilot, lambda: isinstance(app.screen, NewRunScreen))
        assert f"fork of run {run.id} at step 40" in screen_text(app)
        assert form_of(app).form.without_effect("model") == "as in the checkpoint"
        await pilot.press("ctrl+s")
        await started(pilot, 2)
        forked = table_of(app).rows[0]
        assert (forked.parent_id, forked.start_checkpoint_id, forked.fork_step) == (run.id, checkpoint, 40)
        await wait_for(pilot, lambda: table_of(app).current == forked)


async def test_duplicate_opens_the_form_with_the_runs_settings(app: ItopApp, database: Database) -> None:
    made = create(database, 3)
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 3)
        await pilot.press("j", "d")
        await wait_for(pilot, lambda: isinstance(app.screen, NewRunScreen))
        config = form_of(app).form.config
        assert config is not None
        assert config.as_dict() == dict(made[1].config)


async def test_open_goes_to_the_runs_screen_and_back(app: ItopApp, database: Database) -> None:
    from itop_tui.run.run_screen import RunScreen

    create(database, 2)
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 2)
        await pilot.press("enter")
        await wait_for(pilot, lambda: isinstance(app.screen, RunScreen))
        await pilot.press("escape")
        await wait_for(pilot, lambda: isinstance(app.screen, RunsScreen))
        head = table_of(app)
        await pilot.click(head, offset=(10, 2), times=2)
        await wait_for(pilot, lambda: isinstance(app.screen, RunScreen))


async def test_marked_runs_are_paused_resumed_and_copied_together(app: ItopApp, database: Database) -> None:
    made = create(database, 3)
    for run in made[:2]:
        run_it(database, run)
    end_it(database, made[2], RunStatus.STOPPED)
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 3)
        await pilot.press("percent_sign", "p")
        await wait_for(pilot, lambda: all(commands.pending(database, run.id) for run in made[:2]))
        await pilot.press("r")
        await wait_for(pilot, lambda: runs.get(database, made[2].id).status is RunStatus.QUEUED)
        await pilot.press("d")
        await wait_for(pilot, lambda: isinstance(app.screen, Confirm))
        assert "a copy of each of 3 runs" in screen_text(app)
        await pilot.press("y")
        await started(pilot, 6)
        copies = table_of(app).rows[:3]
        assert [dict(run.config) for run in copies] == [dict(run.config) for run in reversed(made)]
