"""An ITOP_HOME for each test, and the app on it in a real terminal at two sizes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.terminal import Terminal


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the test process and the programs it starts use."""
    monkeypatch.setenv("ITOP_HOME", str(tmp_path))
    monkeypatch.delenv("ITOP_DATABASE_URL", raising=False)
    return tmp_path


@pytest.fixture(params=[(80, 24), pytest.param((120, 40), marks=pytest.mark.slow)], ids=["80x24", "120x40"])
def terminal(request: pytest.FixtureRequest, home: Path) -> Iterator[Terminal]:
    window = Terminal(home, *request.param)
    try:
        yield window
    finally:
        window.close()
