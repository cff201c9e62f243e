"""A home and a database of their own for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from db.session import Database


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`ITOP_HOME` in a folder of the test."""
    monkeypatch.setenv("ITOP_HOME", str(tmp_path))
    monkeypatch.delenv("ITOP_DATABASE_URL", raising=False)
    return tmp_path


@pytest.fixture
def database(home: Path) -> Iterator[Database]:
    """An empty database."""
    opened = Database.open()
    yield opened
    opened.close()
