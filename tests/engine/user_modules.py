"""A folder of a user's modules, whose imports leave no trace in the tests' own process."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.config import user_imports
from engine.config.user_calls import PRIVATE_PREFIX


@contextmanager
def imported_from(here: Path, monkeypatch: pytest.MonkeyPatch, *installed: Path) -> Iterator[Path]:
    """Make a folder the current one; what was imported meanwhile is forgotten afterwards.

    Args:
        here: The folder.
        monkeypatch: The test's.
        installed: Folders that are on Python's path besides, as those of installed packages are.
    """
    monkeypatch.chdir(here)
    monkeypatch.setattr("sys.path", [*(entry for entry in sys.path if entry), *map(str, installed)])
    monkeypatch.setattr("sys.meta_path", list(sys.meta_path))
    monkeypatch.setattr(user_imports, "_trees", [])
    before = set(sys.modules)
    yield here
    # Not torch, say, whose C code cannot be loaded a second time.
    for name in [name for name in set(sys.modules) - before if _is_of(here, name)]:
        del sys.modules[name]
    user_imports._sources.clear()
    user_imports.forget_changed()


def _is_of(here: Path, name: str) -> bool:
    """Whether a module that was imported is the user's: a private one, or one whose file or folder lies in theirs."""
    held = vars(sys.modules[name])  # some of torch answer to any attribute
    places = [held.get("__file__"), *held.get("__path__", ())]
    return name.startswith(PRIVATE_PREFIX) or any(Path(place).is_relative_to(here) for place in places if place)
