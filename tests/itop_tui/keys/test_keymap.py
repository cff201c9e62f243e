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
        ("Z", "Z"),
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
    assert checked({"queue.raise_number": written})[0] == {"queue.raise_number": key}


def test_an_action_may_have_several_keys_or_none() -> None:
    assert checked({"runs.demo": ["J", "f10"], "runs.kill_run": []}) == (
        {"runs.demo": "J,f10", "runs.kill_run": ""},
        [],
    )


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
    assert checked(swapped)[0] == swapped


def test_tabs_of_a_run_may_share_a_key() -> None:
    assert checked({"run.verify_checkpoints": "W"}) == ({"run.verify_checkpoints": "W"}, [])


def test_a_key_with_two_meanings_on_two_screens_is_allowed_and_reported_once() -> None:
    chosen, problems = checked({"runs.demo": "W", "runs.open_database": "ctrl+s"})
    assert chosen == {"runs.demo": "W", "runs.open_database": "ctrl+s"}
    named = {tuple(re.findall(r"\w+\.\w+", problem)) for problem in problems}
    assert named == {("runs.demo", "run.provenance"), ("runs.open_database", "form.launch")}
    assert len(problems) == 2


def test_a_key_of_several_actions_elsewhere_is_reported_once() -> None:
    _, problems = checked({"runs.demo": "X"})  # the x-axis of the run's screen and of the comparison
    assert len(problems) == 1


@pytest.mark.parametrize(
    "same",
    [
        {"runs.filter": "f9", "run.search_log": "f9"},
        {"runs.stop_run": "J", "run.stop_run": "J", "queue.stop_run": "J"},
        {"compare.take_out": "delete"},
    ],
)
def test_one_meaning_on_two_screens_is_not_reported(same: dict[str, str]) -> None:
    assert checked(same) == (same, [])


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
