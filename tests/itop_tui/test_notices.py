from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pytest

from db.records import RunStatus
from itop_tui.notices import kind, tell
from itop_tui.preferences import ENDINGS, Notify
from itop_tui.screens.messages import MessagesScreen
from tests.itop_tui.support import MemoryReader, make_run, memory_app, screen_text, started


@pytest.mark.parametrize("status", [status for status in RunStatus if status.is_terminal])
def test_every_ending_is_of_one_kind(status: RunStatus) -> None:
    assert kind(status) in ENDINGS
    assert (kind(status) == "finished") == (status is RunStatus.COMPLETED)


def test_the_terminal_is_asked_without_any_escape_of_the_runs_own() -> None:
    written: list[str] = []
    run = make_run(3, "failed", name="bad\x1b]0;title\x07 name", reason="\x1b[2Jgone")
    assert tell(run, Notify(desktop=True), write=written.append) is None
    (escape,) = written
    assert escape.startswith("\x1b]9;itop: ")
    assert escape.endswith("\x07")
    assert "\x1b" not in escape[1:]
    assert "\x07" not in escape[:-1]


def test_only_the_endings_that_were_asked_for_are_told() -> None:
    written: list[str] = []
    how = Notify(on=("failed",), desktop=True)
    tell(make_run(1, "completed"), how, write=written.append)
    tell(make_run(2, "stopped"), how, write=written.append)
    assert written == []
    tell(make_run(3, "lost"), how, write=written.append)
    assert len(written) == 1


def test_a_command_gets_its_words_as_they_are(tmp_path: Path) -> None:
    out = tmp_path / "told"
    script = (
        "import json, os, pathlib, sys; p = pathlib.Path(sys.argv[1]); "
        "p.with_suffix('.draft').write_text(json.dumps([sys.argv[2:], os.environ['ITOP_STATUS']])); "
        "p.with_suffix('.draft').rename(p)"
    )
    name = "$(touch nothing); 'q' {status}"
    how = Notify(command=(sys.executable, "-c", script, str(out), "{run}", "{name}", "{sentence} {other}"))
    assert tell(make_run(9, "failed", name=name, reason="no luck"), how, write=lambda _: None) is None
    deadline = time.monotonic() + 30
    while not out.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    (run, told_name, sentence), status = json.loads(out.read_text())
    assert (run, status) == ("9", "failed")
    assert told_name == name
    assert sentence.endswith("{other}")
    assert "no luck" in sentence


def test_a_command_that_is_not_there_is_told() -> None:
    problem = tell(make_run(1), Notify(command=("no-such-program",)), write=lambda _: None)
    assert problem is not None
    assert problem.startswith("notify.command = 'no-such-program' cannot be started: No such file")


async def test_what_was_told_stays_in_the_list_of_messages() -> None:
    app = memory_app(MemoryReader([make_run(1)]))
    async with app.run_test(size=(100, 30)) as pilot:
        await started(pilot, 1)
        await pilot.press("ctrl+l")
        assert "Nothing was told yet" in screen_text(app)
        await pilot.press("escape")
        app.notify("[bold]the disk\x1b[2J is full", severity="error", markup=False)
        app.notify("run 1 ended", markup=False)
        await pilot.press("ctrl+l")
        assert isinstance(app.screen, MessagesScreen)
        text = screen_text(app)
        assert "[bold]the disk" in text
        assert text.index("run 1 ended") < text.index("the disk")
        await pilot.press("y")
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
