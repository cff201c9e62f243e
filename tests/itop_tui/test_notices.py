from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from db.records import CodeFile, RunStatus
from db.runs import code, commands, runs, shelf
from db.session import Database
from engine.config.experiments import as_stored
from engine.config.presets import PRESETS
from itop_tui.app import ItopApp
from itop_tui.dialogs.help import MessagesScreen
from itop_tui.new_run.new_run_screen import NewRunScreen
from itop_tui.notices import code_sentences, kind, post, sentences, start_commands, wanted
from itop_tui.preferences import ENDINGS, Notify
from tests.itop_tui.made import SIZE, create, finish, reported, run_it, toasts
from tests.itop_tui.support import MemoryReader, make_run, memory_app, screen_text, started, wait_for
from tests.patience import PATIENCE


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("status", [status for status in RunStatus if status.is_terminal])
def test_every_ending_is_of_one_kind(status: RunStatus) -> None:
    assert kind(status) in ENDINGS
    assert (kind(status) == "finished") == (status is RunStatus.COMPLETED)


def test_the_terminal_is_asked_without_any_escape_of_the_runs_own() -> None:
    written: list[str] = []
    run = make_run(3, "failed", name="bad\x1b]0;title\x07 name", reason="\x1b[2Jgone")
    post([run], write=written.append)
    (escape,) = written
    assert escape.startswith("\x1b]9;itop: ")
    assert escape.endswith("\x07")
    assert "\x1b" not in escape[1:]
    assert "\x07" not in escape[:-1]


def test_only_the_endings_that_were_asked_for_are_told() -> None:
    ended = [make_run(1, "completed"), make_run(2, "stopped"), make_run(3, "lost")]
    assert [run.id for run in wanted(ended, Notify(on=("failed",)))] == [3]
    assert [run.id for run in wanted(ended, Notify(on=("finished", "stopped")))] == [1, 2]
    assert [run.id for run in wanted(ended, Notify())] == [1, 2, 3]


def test_of_many_endings_their_numbers_are_told_and_the_few_failures_by_name() -> None:
    assert sentences([]) == []
    well = [make_run(number) for number in range(1, 5)]
    assert sentences(well) == [("4 runs ended: 4 finished.", True)]
    failed = make_run(9, "failed", reason="out of memory")
    said = sentences([*well, failed, make_run(8, "stopped")])
    assert [text for text, _ in said] == [
        "6 runs ended: 4 finished, 1 stopped, 1 failed.",
        "Run 9 (rigl-itop 9) failed: out of memory",
    ]
    assert [good for _, good in said] == [False, False]
    assert len(sentences([make_run(number, "killed") for number in range(1, 5)])) == 1


def test_a_command_gets_its_words_as_they_are(tmp_path: Path) -> None:
    out = tmp_path / "reported"
    script = (
        "import json, os, pathlib, sys; p = pathlib.Path(sys.argv[1]); "
        "p.with_suffix('.draft').write_text(json.dumps([sys.argv[2:], os.environ['ITOP_STATUS']])); "
        "p.with_suffix('.draft').rename(p)"
    )
    name = "$(touch nothing); 'q' {status}"
    command = (sys.executable, "-c", script, str(out), "{run}", "{name}", "{sentence} {other}")
    assert start_commands([make_run(9, "failed", name=name, reason="no luck")], command) is None
    wait_until(out.exists)
    (run, told_name, sentence), status = json.loads(out.read_text())
    assert (run, status) == ("9", "failed")
    assert told_name == name
    assert sentence.endswith("{other}")
    assert "no luck" in sentence


def test_a_command_that_is_not_there_is_told() -> None:
    problem = start_commands([make_run(1)], ("no-such-program",))
    assert problem is not None
    assert problem.startswith("notify.command = 'no-such-program' cannot be started: No such file")


def test_each_of_many_endings_has_its_command_until_the_app_is_left(tmp_path: Path) -> None:
    many = [make_run(number) for number in range(1, 21)]
    command = ("touch", str(tmp_path / "{run}"))
    assert start_commands(many, command) is None
    wait_until(lambda: len(list(tmp_path.iterdir())) == 20)
    assert start_commands([make_run(99)], command, going=lambda: False) is None
    assert not (tmp_path / "99").exists()


async def test_every_run_that_ends_is_told_once_whatever_is_listed(
    app: ItopApp, database: Database, home: Path
) -> None:
    """Runs that the filter hides, in the archive, under another screen, and one that had not started."""
    out = home / "reported"
    out.mkdir()
    app.preferences = replace(app.preferences, notify=Notify(command=("touch", str(out / "{run}"))))
    first, hidden, away, early, waiting = create(database, 5)
    for run in (first, hidden, away, early):
        run_it(database, run)
    shelf.archive(database, [away.id])
    async with app.run_test(size=SIZE) as pilot:
        await wait_for(pilot, lambda: app.snapshot is not None)
        await pilot.press("slash", *"digits-set", "enter")
        await wait_for(pilot, lambda: app.snapshot is not None and app.snapshot.view.text == "digits-set")
        finish(database, hidden, RunStatus.FAILED)
        await wait_for(pilot, lambda: reported(app, f"Run {hidden.id} "))
        finish(database, away, RunStatus.COMPLETED)
        await wait_for(pilot, lambda: reported(app, f"Run {away.id} "))
        await pilot.press("n")
        await wait_for(pilot, lambda: isinstance(app.screen, NewRunScreen))
        finish(database, first, RunStatus.COMPLETED)
        finish(database, early, RunStatus.KILLED)
        commands.send(database, waiting.id, "stop")
        await wait_for(pilot, lambda: reported(app, f"Run {first.id} "))
        await wait_for(pilot, lambda: reported(app, f"Run {waiting.id} "))
        await wait_for(pilot, lambda: len(list(out.iterdir())) == 5)
        assert sorted(line.split(" ")[1] for line in toasts(app).splitlines()) == ["1", "2", "3", "4", "5"]


async def test_of_many_endings_the_list_of_messages_has_each() -> None:
    reader = MemoryReader([make_run(number, "running") for number in range(1, 7)])
    app = memory_app(reader)
    async with app.run_test(size=(100, 30)) as pilot:
        await started(pilot, 6)
        reader.change([make_run(number) for number in range(1, 7)])
        await wait_for(pilot, lambda: reported(app, "6 runs ended: 6 finished."))
        await pilot.press("ctrl+l")
        text = screen_text(app)
        assert all(f"Run {number} (rigl-itop {number}) completed" in text for number in range(1, 7))


async def test_what_was_told_stays_in_the_list_of_messages() -> None:
    app = memory_app(MemoryReader([make_run(1)]))
    async with app.run_test(size=(100, 30)) as pilot:
        await started(pilot, 1)
        await pilot.press("ctrl+l")
        assert "No messages yet" in screen_text(app)
        await pilot.press("escape")
        app.notify("[bold]the disk\x1b[2J is full", severity="error", markup=False)
        app.notify("run 1 ended", markup=False)
        await pilot.press("ctrl+l")
        assert isinstance(app.screen, MessagesScreen)
        text = screen_text(app)
        assert "[bold]the disk" in text
        assert text.index("run 1 ended") < text.index("the disk")
        await pilot.press("Y")
        assert "error: [bold]the disk" in app.clipboard
        assert "\x1b" not in app.clipboard


async def test_the_theme_goes_round_and_is_kept() -> None:
    app = memory_app(MemoryReader([make_run(1)]))
    async with app.run_test() as pilot:
        await started(pilot, 1)
        seen = [app.theme]
        for _ in range(4):
            await pilot.press("ctrl+t")
            seen.append(app.theme)
    assert seen == ["itop-dark", "itop-light", "itop-contrast", "itop-16", "itop-dark"]
    again = memory_app(MemoryReader([make_run(1)]))
    assert again.theme == "itop-dark"


async def test_a_run_whose_code_changed_before_it_started_is_reported_once_and_its_head_says_it(
    app: ItopApp, database: Database
) -> None:
    before, after = (CodeFile("/project/net.py", letter * 64, 5, f"x = '{letter}'") for letter in "ab")
    config = PRESETS["digits-dense"].config(model="net.py:build")
    custom, same = (
        runs.create(database, **as_stored(config.with_changes(seed=seed)), name=f"mine {seed}", code=[before])
        for seed in (1, 2)
    )
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await started(pilot, 2)
        for run, files in ((same, [before]), (custom, [after])):
            run_it(database, run)
            code.keep(database, run.id, 1, files)
        said = f"Run {custom.id} (mine 1) started with other code than it was queued with: net.py changed."
        await wait_for(pilot, lambda: reported(app, said))
        finish(database, custom, RunStatus.STOPPED)
        runs.requeue_resume(database, custom.id, None, files=[before])
        run_it(database, custom)
        code.keep(database, custom.id, 2, [after])
        app.open_run(custom.id)
        await wait_for(pilot, lambda: "code changed before it started: net.py (W)" in screen_text(app))
        run_it(database, *create(database, 1))
        await wait_for(pilot, lambda: app.snapshot is not None and app.snapshot.active == 3)
        assert toasts(app).count("other code") == 1


def test_many_runs_with_changed_code_are_reported_by_their_number() -> None:
    changed = [(make_run(number), "net.py") for number in range(1, 6)]
    assert code_sentences(changed) == ["5 runs started with other code than they were queued with."]
    assert len(code_sentences(changed[:3])) == 3
