"""The app and the commands on a database that may only be looked at."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from db.errors import ReadOnlyDatabase, StoreError
from db.session import Database
from db.users import name_of
from engine.launch import submit
from itop_tui import opening, preferences
from itop_tui.app import ItopApp
from itop_tui.cli.application import run as itop
from itop_tui.keys import ACTIONS
from itop_tui.keys.action import CHANGING, WRITING
from itop_tui.service import launching
from tests.db.helpers import new_run
from tests.itop_tui.made import SIZE
from tests.itop_tui.support import screen_text, wait_for


@pytest.fixture
def kept(database: Database, home: Path, monkeypatch: pytest.MonkeyPatch) -> dict[Path, int]:
    """A database with a queued run that is only read from now on; gives its files with their times."""
    new_run(database, name="looked-at")
    database.close()
    monkeypatch.setenv("ITOP_READ_ONLY", "1")
    return {path: path.stat().st_mtime_ns for path in home.rglob("*") if not path.name.endswith(("-shm", "-wal"))}


def test_every_action_that_changes_something_is_one_of_the_registry() -> None:
    assert {action.name for action in ACTIONS} >= CHANGING | WRITING


async def test_the_app_changes_nothing_and_says_why(kept: dict[Path, int], home: Path) -> None:
    app = ItopApp()
    async with app.run_test(size=SIZE) as pilot:
        await wait_for(pilot, lambda: "looked-at" in screen_text(app))
        assert "read-only: ITOP_READ_ONLY is set" in screen_text(app)
        for key in ("s", "x", "asterisk", "n", "d", "D", "R", "E", "U"):
            await pilot.press(key)
            await wait_for(pilot, lambda: app.notices[-1].text == "read-only: ITOP_READ_ONLY is set")
            app.notices.clear()
            app.notify("next", markup=False)
            assert len(app.screen_stack) == 1, key
        await pilot.press("ctrl+t", "b")
        shown = app.screen_stack[0]
        assert {"stop", "delete", "new"}.isdisjoint(hint.label for hint in shown.key_hints())  # type: ignore[attr-defined]
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert locks_and_preferences(home) == []


def locks_and_preferences(home: Path) -> list[Path]:
    return [*home.glob("*.lock"), *home.glob("*.json")]


def test_no_command_changes_anything_or_starts_a_scheduler(
    kept: dict[Path, int], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert itop(["runs"]) == 0
    assert "looked-at" in capsys.readouterr().out
    for words in (["stop", "1"], ["tag", "1", "+a"], ["note", "1", "text"], ["hold", "1"], ["delete", "1", "--yes"]):
        assert itop(words) == 1, words
        said = capsys.readouterr().err
        assert said.count("ITOP_READ_ONLY is set") == 1, (words, said)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert not list(home.glob("*.lock"))


def test_a_scheduler_is_not_started_for_what_is_only_read(kept: dict[Path, int]) -> None:
    database = Database.open()
    changes: tuple[Callable[[Database], object], ...] = (
        submit.ensure_scheduler,
        launching.launch_demo,
        lambda db: submit.kill(db, 1),
    )
    for change in changes:
        with pytest.raises(ReadOnlyDatabase):
            change(database)
    database.close()


def test_nothing_is_made_where_there_is_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ITOP_READ_ONLY", "1")
    with pytest.raises(StoreError, match="There is no database"):
        Database.open()
    opening.note_recent()
    preferences.remember("itop-contrast")
    assert not home.exists()


def test_an_old_database_is_not_upgraded(kept: dict[Path, int], home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("db.migrate.HEAD", "9999")
    with pytest.raises(StoreError, match="may not migrate it: read-only, ITOP_READ_ONLY is set"):
        Database.open()
    assert not list(home.glob("*.backup"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file to somebody else")
def test_the_command_in_the_preferences_of_somebody_else_is_not_run(home: Path) -> None:
    home.mkdir()
    file = home / "config.toml"
    file.write_text('[notify]\ncommand = ["touch", "{run}"]\n')
    file.chmod(0o644)
    assert preferences.load().notify.command == ("touch", "{run}")
    file.chmod(0o664)
    assert preferences.load().notify.command == ()
    file.chmod(0o644)
    os.chown(file, 65534, 65534)
    found = preferences.load()
    assert found.notify.command == ()
    assert f"is not run: the file is owned by {name_of(65534)}" in found.problems[0]
