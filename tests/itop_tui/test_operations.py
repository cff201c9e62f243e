"""What the app does to runs, where the disk does not play along."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from db import checkpoints, commands, runs
from db.paths import run_folder
from db.session import Database
from engine.launch import submit
from itop_tui import operations
from tests.itop_tui.cli.recorded import trained


def test_what_cannot_be_removed_is_told_and_the_rest_is_removed(tmp_path: Path) -> None:
    folder, file = tmp_path / "run", tmp_path / "file"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "checkpoints" / "last.pt").write_bytes(b"weights")
    file.touch()
    beyond = file / "last.pt"  # no such place: what should be a folder is a file

    problems = operations.remove([str(beyond), str(folder)])

    assert not folder.exists()
    assert len(problems) == 1
    assert str(beyond) in problems[0]
    assert "remove it by hand" in problems[0]
    assert "Not a directory" in problems[0]


def test_what_is_gone_already_is_no_problem(tmp_path: Path) -> None:
    assert operations.remove([str(tmp_path / "never made")]) == []


def test_a_file_with_two_names_is_counted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ITOP_HOME", str(tmp_path))
    folder = run_folder("abc")
    folder.mkdir(parents=True)
    (folder / "last.pt").write_bytes(b"x" * 100)
    (folder / "best.pt").hardlink_to(folder / "last.pt")
    (folder / "console.log").write_bytes(b"y" * 10)
    assert operations.footprint(["abc"]) == operations.Footprint(bytes=110, checkpoints=2)


def test_a_checkpoint_is_asked_of_the_runs_that_can_write_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ITOP_HOME", str(tmp_path))
    monkeypatch.delenv("ITOP_DATABASE_URL", raising=False)
    with contextlib.closing(Database.open()) as db:
        active, waiting = (runs.create(db, config={}) for _ in range(2))
        assert runs.reserve(db, active.id, host="h", device="cpu", slots=1)
        for _ in range(2):
            outcome = operations.checkpoint_now(db, [active.id, waiting.id])
            assert outcome.done == (active.id,)
            assert "only a running or paused run can write a checkpoint" in outcome.problems[0]
        assert [command.kind for command in commands.pending(db, active.id)] == ["checkpoint"]


def test_a_fork_that_never_ran_is_resumed_from_its_parents_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ITOP_HOME", str(tmp_path))
    monkeypatch.setattr(submit, "ensure_scheduler", lambda db: None)
    database = Database.open()
    parent = trained(database)
    at = checkpoints.pick(database, parent.id, "best")
    fork = runs.create(
        database, config=parent.config, parent_id=parent.id, start_checkpoint_id=at.id, fork_step=at.step
    )
    commands.send(database, fork.id, "stop")
    assert operations.resume(database, fork.id).start_checkpoint_id == at.id
    database.close()
