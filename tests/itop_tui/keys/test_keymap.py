from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from itop_tui import keys
from itop_tui.dialogs.help import HelpScreen
from itop_tui.keys import keymap
from itop_tui.keys.keymap import checked
from tests.itop_tui.support import MemoryReader, make_run, memory_app, screen_text, started, wait_for


@pytest.fixture(autouse=True)
def given_back() -> Iterator[None]:
    yield
    keymap.install({})


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("S", "S"),
        ("?", "question_mark"),
        ("+", "plus"),
        ("ctrl+s", "ctrl+s"),
        ("F5", "f5"),
        ("PageUp", "pageup"),
        ("ctrl+shift+left", "ctrl+shift+left"),
        ("alt+space", "alt+space"),
    ],
)
def test_keys_are_written_as_one_presses_them(written: str, key: str) -> None:
    action = "form.launch" if written == "+" else "runs.demo"  # the list of runs has a "+" of its own
    assert checked({action: written}) == ({action: key}, [])


def test_an_action_may_have_several_keys_or_none() -> None:
    assert checked({"runs.demo": ["z", "f5"], "runs.kill_run": []}) == ({"runs.demo": "z,f5", "runs.kill_run": ""}, [])


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"runs.stop": "S"}, "there is no action 'runs.stop'; did you mean runs.stop_run"),
        ({"runs.demo": "ctl+s"}, "runs.demo = 'ctl[+]s': must be a key"),
        ({"runs.demo": "stop"}, "must be a key"),
        ({"runs.demo": 7}, "runs.demo = 7: must be a key"),
        ({"runs.demo": "s"}, "runs.demo = 's': runs.stop_run .stop. has that key"),
        ({"run.zoom_in": "s"}, "run.zoom_in = 's': run.stop_run"),
    ],
)
def test_what_makes_no_sense_is_told_and_passed_over(given: dict[str, object], problem: str) -> None:
    chosen, problems = checked(given)
    assert chosen == {}
    assert len(problems) == 1
    assert re.search(problem, problems[0])


def test_two_actions_may_change_places() -> None:
    swapped = {"runs.stop_run": "r", "runs.resume_run": "s"}
    assert checked(swapped) == (swapped, [])


def test_tabs_of_a_run_may_share_a_key() -> None:
    assert checked({"run.fork_here": "m"}) == ({"run.fork_here": "m"}, [])


async def test_a_chosen_key_works_and_the_old_one_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ITOP_HOME", str(tmp_path))
    (tmp_path / "config.toml").write_text('[keys]\n"app.show_help" = "f1"\n"runs.mark" = "z"\n"runs.nothing" = "y"\n')
    app = memory_app(MemoryReader([make_run(1)]))
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await started(pilot, 1)
        assert any("there is no action 'runs.nothing'" in told.text for told in app.notices)
        await pilot.press("question_mark")
        assert not isinstance(app.screen, HelpScreen)
        await pilot.press("f1")
        assert isinstance(app.screen, HelpScreen)
        await pilot.press("end")
        await wait_for(pilot, lambda: "f1  " in screen_text(app))
    assert keys.find("runs", "mark").key == "z"
