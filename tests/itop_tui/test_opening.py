from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from db import paths
from db.runs import runs, shelf
from db.session import Database
from engine.config.experiments import as_stored
from engine.config.presets import PRESETS
from itop_tui import opening
from itop_tui.app import ItopApp
from itop_tui.dialogs.chooser import Picker
from itop_tui.service.trash import Bin, OpenApps
from tests.itop_tui.made import SIZE, create, toasts
from tests.itop_tui.support import screen_text, started, table_of, wait_for


@pytest.mark.parametrize(
    ("typed", "home", "url"),
    [
        ("{tmp}/lab", "{tmp}/lab", None),
        ("{tmp}/lab/itop.db", "{tmp}/lab", None),
        ("{tmp}/lab/other.db", "{tmp}/lab", "{tmp}/lab/other.db"),
        ("postgresql+psycopg://me@host/itop", "{home}", "postgresql+psycopg://me@host/itop"),
    ],
)
def test_a_place_is_a_folder_a_file_or_a_url(typed: str, home: str, url: str | None, tmp_path: Path) -> None:
    before = str(paths.home())

    def filled(text: str) -> str:
        return text.format(tmp=tmp_path, home=before)

    changed = opening.go_to(filled(typed))
    try:
        assert str(paths.home()) == filled(home)
        assert os.environ.get("ITOP_DATABASE_URL") == (filled(url) if url else None)
    finally:
        opening.go_back(changed)
    assert str(paths.home()) == before
    assert "ITOP_DATABASE_URL" not in os.environ


def test_recent_places_are_kept_the_latest_first_and_no_password_is_written_down(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    opening.note_recent(["/one", "postgresql://me:secret@host/itop", "/two"])
    assert opening.recent() == (str(tmp_path / "home"), "/one", "/two")
    opening.note_recent()
    assert opening.recent()[0] == str(tmp_path / "home")
    monkeypatch.setenv("ITOP_DATABASE_URL", "postgresql://me:secret@host/itop")
    opening.note_recent()
    file = paths.home() / "recent.json"
    assert "secret" not in file.read_text()
    file.write_text(json.dumps({"not": "a list"}))
    assert opening.recent() == ()


def test_apps_know_of_each_other_and_a_dead_one_is_none(tmp_path: Path) -> None:
    first, second, elsewhere = (OpenApps(tmp_path, url) for url in ("a", "a", "b"))
    assert first.join()
    assert not second.join()
    assert elsewhere.join()
    assert not first.alone()
    second.leave()
    assert first.alone()
    first.leave()
    assert not first.alone(), "who left empties nothing"


def test_the_last_one_to_leave_empties_the_trash_with_the_files(database: Database) -> None:
    made = [
        runs.create(database, **as_stored(PRESETS["digits-dense"].config(seed=seed)), total_steps=1)
        for seed in range(2)
    ]
    folder = paths.run_folder(made[0].uid)
    folder.mkdir(parents=True)
    (folder / "console.log").write_text("hello")
    first = opening.open_database(Database.open)
    second = opening.open_database(Database.open)
    assert (first.leftovers, second.leftovers) == ((), ())
    shelf.trash(database, [made[0].id])
    opening.leave(first)
    assert [run.id for run in shelf.trashed(database)] == [made[0].id]
    assert opening.leave(second) == []
    assert shelf.trashed(database) == []
    assert not folder.exists()
    assert [run.id for run in runs.list_runs(database)] == [made[1].id]


def test_the_bin_gives_the_latest_deletion_back_first() -> None:
    deleted = Bin()
    assert not deleted.latest
    deleted.add([1, 2])
    deleted.add([3])
    deleted.adopt([9])
    order = []
    while deleted.latest:
        order.append(deleted.latest)
        deleted.remove(deleted.latest)
    assert order == [(3,), (1, 2), (9,)]


async def test_another_database_is_opened_in_the_place_of_this_one(
    app: ItopApp, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(database, 2)
    monkeypatch.setenv("ITOP_HOME", str(tmp_path / "other"))
    other = Database.open()
    create(other, 5)
    other.close()
    monkeypatch.setenv("ITOP_HOME", str(tmp_path / "home"))
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 2)
        await pilot.press("O")
        await wait_for(pilot, lambda: isinstance(app.screen, Picker))
        await pilot.press(*f"{tmp_path / 'other'}", "enter")
        await started(pilot, 5)
        assert "Another database is open" in toasts(app)
        await pilot.press("O")
        await wait_for(pilot, lambda: isinstance(app.screen, Picker))
        assert str(tmp_path / "home") in opening.recent(), "where one came from is remembered"
        assert str(tmp_path)[:20] in screen_text(app)
        await pilot.press("escape", "O")
        await wait_for(pilot, lambda: isinstance(app.screen, Picker))
        await pilot.press(*"mysql://nowhere/x", "enter")
        await wait_for(pilot, lambda: "The present database stays open" in toasts(app))
        assert len(table_of(app).rows) == 5
