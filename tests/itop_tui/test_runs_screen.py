"""The list of runs, driven by keys and mouse."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from functools import partial

import pytest

from db import attempts, checkpoints, commands, runs
from db.paths import run_folder
from db.records import RunRecord, RunStatus
from db.session import Database
from engine.presets import PRESETS
from itop_tui.app import ItopApp
from itop_tui.screens.dialogs import Ask, Confirm
from itop_tui.screens.help import HelpScreen
from itop_tui.screens.new_run import NewRunScreen
from itop_tui.screens.runs import RunsScreen
from itop_tui.widgets.banner import Banner
from itop_tui.widgets.run_detail import RunDetail
from tests.itop_tui.support import (
    MemoryReader,
    form_of,
    make_run,
    memory_app,
    sample_runs,
    screen_text,
    started,
    table_of,
    wait_for,
)

SIZE = (120, 40)


def create(database: Database, count: int = 3, **more: object) -> list[RunRecord]:
    """Queue some runs."""
    presets = ("digits-dense", "digits-set", "digits-rigl")
    return [
        runs.create(
            database,
            config=PRESETS[presets[index % 3]].config(seed=index).as_dict(),
            name=f"run {presets[index % 3]} {index}",
            total_steps=100,
        )
        for index in range(count)
    ]


def run_it(database: Database, run: RunRecord) -> None:
    """Make a queued run a running one."""
    attempt = runs.reserve(database, run.id, host="elsewhere", device="cpu", slots=9)
    assert attempt is not None
    attempts.running(
        database,
        attempt.id,
        pid=1,
        start_time=1.0,
        boot_id="b",
        versions={},
        commit=None,
        dirty=None,
        command_line=None,
    )


def end_it(database: Database, run: RunRecord, status: RunStatus = RunStatus.COMPLETED) -> None:
    """Make a queued run one that ran and ended."""
    run_it(database, run)
    attempt = attempts.latest(database, run.id)
    assert attempt is not None
    attempts.finish(database, attempt.id, status=status, reason="done")


def add_checkpoint(database: Database, run: RunRecord, step: int = 40) -> int:
    """Give a run a checkpoint with a file."""
    attempt = attempts.latest(database, run.id)
    folder = run_folder(run.uid) / "checkpoints"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"step-{step:09d}-last.pt"
    path.write_bytes(b"0" * 2_500_000)
    return checkpoints.add(
        database,
        run_id=run.id,
        attempt_id=attempt.id if attempt else None,
        step=step,
        epoch=1,
        kind="last",
        path=str(path),
        bytes=2_500_000,
        sha256="0" * 64,
        val_accuracy=None,
    ).id


def toasts(app: ItopApp) -> str:
    """All messages shown so far."""
    return "\n".join(note.message for note in app._notifications)


def told(app: ItopApp, words: str) -> bool:
    """Whether a message with these words was shown."""
    return words in toasts(app)


# --------------------------------------------------------------------------------------------------------- live list


async def test_a_change_is_seen_within_a_second_and_the_cursor_stays_on_its_run(
    app: ItopApp, database: Database
) -> None:
    made = create(database)
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 3)
        await pilot.press("j")
        current = table_of(app).current
        assert current is not None
        assert current.id == made[1].id
        await pilot.press("space", "k")
        before = time.monotonic()
        create(database, 1)
        runs.update_fields(database, made[1].id, name="renamed elsewhere")
        await wait_for(pilot, lambda: "renamed elsewhere" in screen_text(app))
        assert time.monotonic() - before < 1.0
        after = table_of(app).current
        assert after is not None
        assert after.id == made[1].id
        assert after.name == "renamed elsewhere"
        assert [run.id for run in table_of(app).marked] == [made[1].id]


async def test_scroll_and_cursor_survive_updates_sorts_and_vanishing_runs() -> None:
    listed = [make_run(number) for number in range(60, 0, -1)]
    reader = MemoryReader(listed)
    app = memory_app(reader)
    async with app.run_test(size=(80, 24)) as pilot:
        await started(pilot, 60)
        table = table_of(app)
        await pilot.press("pagedown", "pagedown", "j")
        here = table.current
        assert here is not None
        line = table._cursor - table.scroll_offset.y
        reader.change([make_run(61), make_run(62), *listed])
        await wait_for(pilot, lambda: len(table.rows) == 62)
        assert table.current is not None
        assert table.current.id == here.id
        assert table._cursor - table.scroll_offset.y == line
        reader.change([run for run in listed if run.id != here.id])
        await wait_for(pilot, lambda: len(table.rows) == 59)
        assert table.current is not None
        assert table._cursor - table.scroll_offset.y == line
        await pilot.press("G")
        assert table.current.id == 1
        reader.change([])
        await wait_for(pilot, lambda: len(table.rows) == 0 and table.current is None)
        await pilot.press("j", "k", "G", "enter", "s", "space")
        assert app.is_running


async def test_an_empty_database_greets_with_three_ways_to_go(app: ItopApp, scheduled: list[str]) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_for(pilot, lambda: "There are no runs yet" in screen_text(app))
        shown = screen_text(app)
        for word in ("demo", "new run", "quit", "itop.db"):
            assert word in "".join(line.strip() for line in shown.splitlines())
        await pilot.press("D")
        await started(pilot, 3)
        assert {run.method for run in table_of(app).rows} == {"dense", "SET-ITOP", "RigL-ITOP"}
        assert len(scheduled) == 3
        assert "There are no runs yet" not in screen_text(app)


# --------------------------------------------------------------------------------------------------- filter and order


async def test_the_filter_narrows_as_one_types_and_escape_clears_it(app: ItopApp, database: Database) -> None:
    create(database, 6)
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 6)
        await pilot.press("slash", *"rigl")
        await started(pilot, 2)
        assert "2 match" in screen_text(app)
        await pilot.press("enter", "j")
        assert table_of(app).has_focus
        await pilot.press("escape")
        await started(pilot, 6)
        await pilot.press("slash", *"nothing like it")
        await wait_for(pilot, lambda: "No run matches" in screen_text(app))
        await pilot.press("escape")
        await started(pilot, 6)


async def test_sorting_by_key_and_by_head_shows_its_direction(app: ItopApp, database: Database) -> None:
    create(database, 4)
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 4)
        assert "id ▼" in screen_text(app)
        await pilot.press("o")
        await wait_for(pilot, lambda: table_of(app).rows[0].id == 1)
        assert "id ▲" in screen_text(app)
        await pilot.press("greater_than_sign")
        await wait_for(pilot, lambda: "name ▲" in screen_text(app) and table_of(app).rows[0].id == 1)
        await pilot.press("less_than_sign")
        head = screen_text(app).splitlines()[1]
        await pilot.click("#runs", offset=(head.index("method"), 0))
        await wait_for(pilot, lambda: table_of(app).rows[0].method == "RigL-ITOP")
        assert "method" in screen_text(app)
        await pilot.click("#runs", offset=(head.index("method"), 0))
        await wait_for(pilot, lambda: table_of(app).rows[0].method == "dense")


async def test_more_runs_than_a_page_are_counted_and_fetched_on_demand() -> None:
    app = memory_app(MemoryReader([make_run(number) for number in range(1200, 0, -1)]))
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 500)
        assert "first 500 of 1,200" in screen_text(app)
        await pilot.press("m")
        await started(pilot, 1000)
        await pilot.press("m")
        await started(pilot, 1200)
        assert "first" not in screen_text(app).splitlines()[0]


# ------------------------------------------------------------------------------------------------------------ actions


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
            await wait_for(pilot, partial(told, app, reason))


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


async def test_delete_tells_what_it_frees_and_frees_it(app: ItopApp, database: Database) -> None:
    (run,) = create(database, 1)
    end_it(database, run)
    add_checkpoint(database, run)
    folder = run_folder(run.uid)
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 1)
        await pilot.press("x")
        await wait_for(pilot, lambda: isinstance(app.screen, Confirm))
        assert "2.5 MB" in screen_text(app)
        assert "1 checkpoint" in screen_text(app)
        await pilot.press("y")
        await wait_for(pilot, lambda: runs.count(database, runs.RunQuery()) == 0)
        await wait_for(pilot, lambda: not list(folder.rglob("*.pt")))
        await wait_for(pilot, lambda: "There are no runs yet" in screen_text(app))


async def test_marked_runs_are_acted_on_together(app: ItopApp, database: Database) -> None:
    made = create(database, 4)
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 4)
        await pilot.press("space", "space")
        assert "2 marked" in screen_text(app)
        await pilot.press("s")
        await wait_for(pilot, lambda: runs.get(database, made[2].id).status is RunStatus.STOPPED)
        assert [runs.get(database, run.id).status for run in made] == ["queued", "queued", "stopped", "stopped"]
        await pilot.press("t", *"paper", "enter")
        await wait_for(pilot, lambda: runs.get(database, made[3].id).tags == ("paper",))
        assert runs.get(database, made[2].id).tags == ("paper",)
        await pilot.press("u")
        assert table_of(app).marked == ()


async def test_rename_and_tags(app: ItopApp, database: Database) -> None:
    (run,) = create(database, 1)
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 1)
        await pilot.press("R")
        await wait_for(pilot, lambda: isinstance(app.screen, Ask))
        await pilot.press("ctrl+u", *"best one", "enter")
        await wait_for(pilot, lambda: "best one" in screen_text(app))
        assert runs.get(database, run.id).name == "best one"
        await pilot.press("R", "ctrl+u", "escape", "t", *"a,b #a", "enter")
        await wait_for(pilot, lambda: runs.get(database, run.id).tags == ("a", "b"))
        assert runs.get(database, run.id).name == "best one"


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
        await wait_for(pilot, lambda: "queued to go on from its last checkpoint" in toasts(app))
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
    from itop_tui.screens.run import RunScreen

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


# ----------------------------------------------------------------------------------------------------- help, palette


async def test_help_names_every_key_of_the_screen(app: ItopApp, database: Database) -> None:
    from itop_tui.actions import in_scope

    create(database, 1)
    async with app.run_test(size=(120, 70)) as pilot:
        await started(pilot, 1)
        await pilot.press("question_mark")
        await wait_for(pilot, lambda: isinstance(app.screen, HelpScreen) and "Everywhere" in screen_text(app))
        shown = screen_text(app)
        for action in in_scope("runs", "app"):
            assert action.help.split(":")[0][:30] in shown, action.id
        await pilot.press("escape")
        assert isinstance(app.screen, RunsScreen)


async def test_the_palette_knows_the_actions_and_the_runs(app: ItopApp, database: Database) -> None:
    create(database, 2)
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 2)
        await pilot.press("ctrl+p")
        await wait_for(pilot, lambda: "duplicate" in screen_text(app))
        await pilot.press(*"digits-set")
        await wait_for(pilot, lambda: "open run 2" in screen_text(app))
        await pilot.press("escape")
        await wait_for(pilot, lambda: isinstance(app.screen, RunsScreen))
        await pilot.press("ctrl+p", *"set up")
        await wait_for(pilot, lambda: "new  (n)" in screen_text(app))
        await pilot.press("enter")
        await wait_for(pilot, lambda: isinstance(app.screen, NewRunScreen))


async def test_a_key_in_the_foot_can_be_clicked(app: ItopApp, database: Database) -> None:
    create(database, 1)
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 1)
        foot = screen_text(app).splitlines()[-1]
        await pilot.click("KeyBar", offset=(foot.index("new"), 0))
        await wait_for(pilot, lambda: isinstance(app.screen, NewRunScreen))


async def test_the_foot_shows_what_works_now(app: ItopApp, database: Database) -> None:
    _, second = create(database, 2)
    end_it(database, second)
    async with app.run_test(size=(140, 30)) as pilot:
        await started(pilot, 2)
        foot = screen_text(app).splitlines()[-1]
        assert "r resume" in foot
        assert "s stop" not in foot
        await pilot.press("j")
        foot = screen_text(app).splitlines()[-1]
        assert "s stop" in foot
        assert "r resume" not in foot


async def test_the_details_follow_the_cursor_and_can_be_hidden() -> None:
    app = memory_app(MemoryReader(sample_runs()))
    async with app.run_test(size=(140, 40)) as pilot:
        await started(pilot, 12)
        await pilot.press(*"jjjjjjj")
        assert "the loss became NaN at step 412" in screen_text(app)
        pane = app.screen.query_one(RunDetail)
        await pilot.press("i")
        await wait_for(pilot, lambda: not pane.display)
        await pilot.press("i")
        await wait_for(pilot, lambda: pane.display)
        await pilot.resize_terminal(80, 24)
        await wait_for(pilot, lambda: not pane.display)


async def test_both_themes_and_quitting() -> None:
    app = memory_app(MemoryReader(sample_runs()))
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 12)
        assert app.theme == "itop-dark"
        await pilot.press("ctrl+t")
        assert app.theme == "itop-light"
        await pilot.press("q")
        await wait_for(pilot, lambda: not app.is_running)


# ------------------------------------------------------------------------------------------------------------ trouble


async def test_a_failing_database_shows_a_banner_and_the_app_goes_on() -> None:
    reader = MemoryReader(sample_runs())
    app = memory_app(reader)
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 12)
        reader.failure = OSError("disk I/O error [red]\x1b[31m")
        await wait_for(pilot, lambda: "disk I/O error" in screen_text(app))
        await pilot.press("j", "n")
        await wait_for(pilot, lambda: isinstance(app.screen, NewRunScreen))
        assert "disk I/O error [red]" in screen_text(app)
        await pilot.press("escape")
        reader.failure = None
        await wait_for(pilot, lambda: not app.screen.query_one(Banner).display)
        assert len(table_of(app).rows) == 12


async def test_a_database_that_cannot_be_opened_says_why_and_can_be_tried_again(database: Database) -> None:
    create(database, 1)
    attempts_made: list[int] = []

    def opener() -> Database:
        attempts_made.append(1)
        if len(attempts_made) == 1:
            raise OSError("itop.db is newer than this program")
        return Database.open()

    app = ItopApp(opener)
    async with app.run_test(size=SIZE) as pilot:
        await wait_for(pilot, lambda: "newer than this program" in screen_text(app))
        await pilot.press("j", "enter", "s")
        await pilot.press("ctrl+g")
        await started(pilot, 1)
        assert not app.screen.query_one(Banner).display


async def test_a_scheduler_that_does_not_start_is_told_and_the_run_stays_queued(
    app: ItopApp, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(db: Database) -> None:
        raise OSError("no more processes")

    monkeypatch.setattr("engine.launch.submit.ensure_scheduler", fail)
    create(database, 1)
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 1)
        await pilot.press("n")
        await wait_for(pilot, lambda: isinstance(app.screen, NewRunScreen))
        await pilot.press("ctrl+s")
        await wait_for(pilot, lambda: "no more processes" in toasts(app))
        assert runs.count(database, runs.RunQuery(statuses=(RunStatus.QUEUED,))) == 2


async def test_keys_are_answered_while_the_database_is_slow() -> None:
    reader = MemoryReader(sample_runs())
    app = memory_app(reader)
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 12)
        reader.delay = 3.0
        reader.change([replace(run, step=run.step + 1) for run in sample_runs()])
        before = time.monotonic()
        await pilot.press("j", "j", "slash", "x", "y", "escape", "n")
        await wait_for(pilot, lambda: isinstance(app.screen, NewRunScreen))
        assert time.monotonic() - before < 3.0
        reader.delay = 0.0


async def test_a_missing_scheduler_shows_a_banner_and_can_be_started_from_it(
    app: ItopApp, database: Database, scheduled: list[str]
) -> None:
    create(database, 1)
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 1)
        reader = app.poller._reader  # type: ignore[union-attr]
        reader.settle = lambda: None if scheduled else "1 queued run will not start. ^g starts one."  # type: ignore[method-assign]
        await wait_for(pilot, lambda: "will not start" in screen_text(app))
        await pilot.press("ctrl+g")
        await wait_for(pilot, lambda: scheduled and not app.screen.query_one(Banner).display)


async def test_a_run_that_ends_is_told_wherever_one_is() -> None:
    reader = MemoryReader([make_run(1, "running"), make_run(2, "running")])
    app = memory_app(reader)
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 2)
        await pilot.press("n")
        await wait_for(pilot, lambda: isinstance(app.screen, NewRunScreen))
        reader.change([make_run(1, "failed", reason="out of memory [red]on cuda:0"), make_run(2, "running")])
        await wait_for(pilot, lambda: told(app, "failed: out of memory [red]on cuda:0"))
        assert "Run 2" not in toasts(app)


async def test_what_is_typed_into_the_filter_before_the_database_is_open_counts() -> None:
    opening = threading.Event()
    app = memory_app(MemoryReader([make_run(1, name="needle"), make_run(2, name="hay")]))
    opener = app._opener

    def slow() -> Database:
        opening.wait(10)
        return opener()

    app._opener = slow
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("slash", *"need")
        opening.set()
        await started(pilot, 1)
        assert table_of(app).rows[0].name == "needle"
