"""What is left of deleted runs, where the disk does not play along."""

from __future__ import annotations

from pathlib import Path

import pytest

from db.paths import run_folder
from itop_tui.service import shelving


def test_a_file_with_two_names_is_counted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ITOP_HOME", str(tmp_path))
    folder = run_folder("abc")
    folder.mkdir(parents=True)
    (folder / "last.pt").write_bytes(b"x" * 100)
    (folder / "best.pt").hardlink_to(folder / "last.pt")
    (folder / "console.log").write_bytes(b"y" * 10)
    assert shelving.footprint(["abc"]) == shelving.Footprint(bytes=110, checkpoints=2)
