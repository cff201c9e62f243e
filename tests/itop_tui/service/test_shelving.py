"""What is left of deleted runs, where the disk does not play along."""

from __future__ import annotations

from pathlib import Path

import pytest

from db.paths import run_folder
from itop_tui.service import shelving


def test_what_cannot_be_removed_is_told_and_the_rest_is_removed(tmp_path: Path) -> None:
    folder, file = tmp_path / "run", tmp_path / "file"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "checkpoints" / "last.pt").write_bytes(b"weights")
    file.touch()
    beyond = file / "last.pt"  # no such place: what should be a folder is a file

    problems = shelving.remove([str(beyond), str(folder)])

    assert not folder.exists()
    assert len(problems) == 1
    assert str(beyond) in problems[0]
    assert "remove it by hand" in problems[0]
    assert "Not a directory" in problems[0]


def test_what_is_gone_already_is_no_problem(tmp_path: Path) -> None:
    assert shelving.remove([str(tmp_path / "never made")]) == []


def test_a_file_with_two_names_is_counted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ITOP_HOME", str(tmp_path))
    folder = run_folder("abc")
    folder.mkdir(parents=True)
    (folder / "last.pt").write_bytes(b"x" * 100)
    (folder / "best.pt").hardlink_to(folder / "last.pt")
    (folder / "console.log").write_bytes(b"y" * 10)
    assert shelving.footprint(["abc"]) == shelving.Footprint(bytes=110, checkpoints=2)
