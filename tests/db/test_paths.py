from __future__ import annotations

from pathlib import Path

import platformdirs
import pytest

from db import paths
from db.database_place import chosen_place


def test_everything_is_under_itop_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ITOP_HOME", str(tmp_path))
    monkeypatch.delenv("ITOP_DATABASE_URL", raising=False)
    assert paths.home() == tmp_path
    assert chosen_place() == tmp_path / "itop.db"
    assert paths.run_folder("0123456789ab") == tmp_path / "runs" / "0123456789ab"


def test_home_defaults_to_the_platforms_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ITOP_HOME", raising=False)
    assert paths.home() == Path(platformdirs.user_data_dir("itop", appauthor=False))


def test_a_relative_home_does_not_move_with_the_working_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ITOP_HOME", "state")
    assert paths.home() == tmp_path / "state"


def test_another_database_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ITOP_DATABASE_URL", "postgresql+psycopg://host/itop")
    assert chosen_place() == "postgresql+psycopg://host/itop"
