from __future__ import annotations

import errno
import json
import os
import re
import tomllib
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from itop_tui import preferences
from itop_tui.keys import keymap
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


@pytest.mark.parametrize("content", ['{"theme": "gone"}', '{"theme": 3}', '{"theme": [["itop-light"]]}'])
def test_a_memory_of_no_theme_is_forgotten(config: Path, content: str) -> None:
    config.with_name("state.json").write_text(content)
    assert load() == preferences.Preferences()


_HUGE = "9" * 5000
_CONTENTS = [
    b"\xff\x00\x1b[2J",
    b"\x00" * 100,
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b"keys = " + b"[" * 50_000,
    b"theme = " + b"{a=" * 50_000,
    f"theme = {_HUGE}".encode(),
    f'{{"theme": {_HUGE}}}'.encode(),
    b"[]",
    b"3",
    b'"itop-dark"',
    b"theme = 0x" + b"f" * 6000,
    b"x" * 1_100_000,
]


@pytest.mark.parametrize("name", ["config.toml", "state.json"])
@pytest.mark.parametrize("content", _CONTENTS, ids=range(len(_CONTENTS)))
def test_a_file_of_any_content_is_one_short_problem(config: Path, name: str, content: bytes) -> None:
    config.with_name(name).write_bytes(content)
    (problem,) = load().problems
    assert problem.isprintable()
    assert len(problem) < 300 + len(str(config))
    remember("itop-light")
    assert load().theme == "itop-light"


@pytest.mark.parametrize("name", ["config.toml", "state.json"])
@pytest.mark.parametrize("kind", ["folder", "pipe", "link to itself", "device"])
def test_what_is_no_file_is_one_problem(config: Path, name: str, kind: str) -> None:
    path = config.with_name(name)
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(path if kind == "link to itself" else "/dev/zero")
    (problem,) = load().problems
    assert f"{path} cannot be read" in problem
    remember("itop-light")
    assert list(config.parent.glob(".state*")) == []


_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(values=st.dictionaries(st.sampled_from(["theme", "keys", "notify", "other"]), _VALUES))
def test_json_of_any_shape_starts(values: dict[str, object]) -> None:
    with TemporaryDirectory() as home, pytest.MonkeyPatch.context() as patch:
        patch.setenv("ITOP_HOME", home)
        Path(home, "state.json").write_text(json.dumps(values))
        loaded = load()
        keymap.checked(loaded.keys)


@given(given=st.dictionaries(st.one_of(st.sampled_from(["theme", "keys", "notify"]), st.text(max_size=5)), _VALUES))
def test_tables_of_any_values_start(given: dict[str, object]) -> None:
    with TemporaryDirectory() as home, pytest.MonkeyPatch.context() as patch:
        patch.setenv("ITOP_HOME", home)
        patch.setattr(tomllib, "loads", lambda _: given)
        Path(home, "config.toml").write_text("")
        loaded = load()
        _, problems = keymap.checked(loaded.keys)
        assert all(problem.isprintable() for problem in (*loaded.problems, *problems))


@given(data=st.binary(max_size=200))
def test_bytes_of_any_kind_start(data: bytes) -> None:
    with TemporaryDirectory() as home, pytest.MonkeyPatch.context() as patch:
        patch.setenv("ITOP_HOME", home)
        for name in ("config.toml", "state.json"):
            Path(home, name).write_bytes(data)
        loaded = load()
        keymap.checked(loaded.keys)
        assert all(problem.isprintable() for problem in loaded.problems)


def test_a_home_that_cannot_be_written_costs_only_the_memory(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config.parent.joinpath("file").write_text("")
    monkeypatch.setenv("ITOP_HOME", str(config.parent / "file" / "below"))
    remember("itop-light")
    assert load().theme is None


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_a_theme_that_cannot_be_written_leaves_the_earlier_one_and_no_file(
    config: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    remember("itop-light")
    before = {path.name: path.read_bytes() for path in config.parent.iterdir()}

    def full(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("json.dump", full)
    remember("itop-dark")
    assert {path.name: path.read_bytes() for path in config.parent.iterdir()} == before
