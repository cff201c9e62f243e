"""A database of its own for every test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from db.session import Database


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database, made once: copying it is faster than making one."""
    path = tmp_path_factory.mktemp("template") / "itop.db"
    Database.open(str(path)).close()
    return path


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ITOP_HOME", str(tmp_path))
    monkeypatch.delenv("ITOP_DATABASE_URL", raising=False)
    return tmp_path


@pytest.fixture
def db(home: Path, template: Path) -> Iterator[Database]:
    shutil.copy(template, home / "itop.db")
    database = Database.open()
    yield database
    database.close()
