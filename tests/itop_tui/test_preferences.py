from __future__ import annotations

import re
from pathlib import Path

import pytest

from itop_tui import preferences
from itop_tui.preferences import Notify, load, remember


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ITOP_HOME", str(tmp_path))
    return tmp_path / "config.toml"


def test_nothing_written_means_the_defaults(config: Path) -> None:
    assert load() == preferences.Preferences()


def test_everything_that_can_be_written_is_read(config: Path) -> None:
    config.write_text(
        'theme = "itop-contrast"\n'
        '[keys]\n"runs.stop_run" = "S"\n'
        '[notify]\non = ["failed"]\ndesktop = true\ncommand = ["echo", "{sentence}"]\n'
    )
    read = load()
    assert read.theme == "itop-contrast"
    assert read.keys == {"runs.stop_run": "S"}
    assert read.notify == Notify(("failed",), desktop=True, command=("echo", "{sentence}"))
    assert read.problems == ()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("theme = 'itop-drak'", "theme = 'itop-drak': must be one of .*did you mean itop-dark"),
        ("them = 'itop-dark'", "them in .*there is no such setting.*did you mean theme"),
        ("keys = 3", "keys = 3: must be a table"),
        ("notify = 3", "notify = 3: must be a table"),
        ("[notify]\non = ['failure']", r"notify.on = \['failure'\]: must be a list of finished, stopped, failed"),
        ("[notify]\non = 'failed'", "notify.on = 'failed': must be a list"),
        ("[notify]\ndesktop = 'yes'", "notify.desktop = 'yes': must be true or false"),
        ("[notify]\ncommand = 'say it'", "notify.command = 'say it': must be a list of words"),
        ("[notify]\ncomand = []", "comand in .*did you mean command"),
        ("this is not toml", "config.toml cannot be read"),
    ],
)
def test_a_mistake_is_told_and_passed_over(config: Path, text: str, problem: str) -> None:
    config.write_text(text)
    read = load()
    assert len(read.problems) == 1
    assert re.search(problem, read.problems[0])
    assert (read.theme, dict(read.keys), read.notify) == (None, {}, Notify())


def test_bytes_that_are_no_text_are_told(config: Path) -> None:
    config.write_bytes(b"\xff\xfe theme")
    assert "cannot be read" in load().problems[0]


def test_the_theme_is_kept_for_the_next_start(config: Path) -> None:
    remember("itop-light")
    assert load().theme == "itop-light"
    config.write_text('theme = "itop-contrast"')
    assert load().theme == "itop-contrast"
    assert [path.name for path in config.parent.iterdir() if path.name.startswith(".state")] == []


@pytest.mark.parametrize("content", ["", "[]", '{"theme": "gone"}', '{"theme": 3}', "\x00"])
def test_a_spoilt_memory_is_forgotten(config: Path, content: str) -> None:
    config.with_name("state.json").write_text(content)
    assert load() == preferences.Preferences()


def test_a_home_that_cannot_be_written_costs_only_the_memory(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config.parent.joinpath("file").write_text("")
    monkeypatch.setenv("ITOP_HOME", str(config.parent / "file" / "below"))
    remember("itop-light")
    assert load().theme is None
