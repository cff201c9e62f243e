"""Homes with odd names, moved homes and copies of homes, with `itop` as a process and real workers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from db.database_place import chosen_place
from db.session import Database
from engine.launch import submit
from tests.patience import PATIENCE, wait_for

ODD = "a b%20c#d?e'é\nf"


def itop(home: Path | bytes, *line: str, code: int | None = 0) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ITOP_")}
    environment = {**kept, "ITOP_HOME": os.fsdecode(home), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-P", "-m", "itop_tui", *line]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=PATIENCE, check=False)
    assert code is None or done.returncode == code, (line, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    return done


def run_of(home: Path) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(itop(home, "show", "a", "--json").stdout)
    return shown


def checkpoint_files(home: Path) -> dict[str, int]:
    """The checkpoint files of a home, each with its inode."""
    return {str(path.relative_to(home)): path.stat().st_ino for path in home.glob("runs/*/checkpoints/*.pt")}


def settled(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait until no process uses a home."""
    monkeypatch.setenv("ITOP_HOME", str(home))
    monkeypatch.delenv("ITOP_DATABASE_URL", raising=False)
    database = Database.open(chosen_place())
    try:
        wait_for(lambda: not submit.scheduler_running(database), "the scheduler to end")
    finally:
        database.close()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with an odd name, in which a run was trained; nothing uses it any more."""
    folder = tmp_path_factory.mktemp("places")
    home = folder / ODD
    line = "train --data digits --model lenet300-100 --sparse --density 0.1 --epochs 1 --no-cuda --name a --wait"
    assert "completed" in itop(home, *line.split()).stdout
    assert [path.name for path in folder.iterdir()] == [ODD], "all that was written is in the home"
    with pytest.MonkeyPatch.context() as patch:
        settled(home, patch)
    return home


@pytest.fixture
def copy(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "copy"))


@pytest.mark.slow  # two workers import torch and train
def test_going_on_in_a_copy_leaves_the_original_as_it_is(
    trained: Path, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = checkpoint_files(trained)
    assert "completed" in itop(copy, "resume", "a", "--epochs", "2", "--wait").stdout
    assert checkpoint_files(trained) == before
    assert checkpoint_files(copy).keys() != before.keys()
    settled(copy, monkeypatch)
    itop(copy, "delete", "a", "--yes")
    assert checkpoint_files(copy) == {}
    assert checkpoint_files(trained) == before


@pytest.mark.slow
def test_a_moved_home_goes_on_and_says_what_it_has_lost(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moved = copy.rename(copy.with_name(f"{ODD} moved"))
    shown = run_of(moved)
    assert {Path(one["path"]).exists() for one in shown["checkpoints"]} == {True}
    itop(moved, "doctor")
    assert "completed" in itop(moved, "resume", "a", "--epochs", "2", "--wait").stdout
    settled(moved, monkeypatch)

    before = run_of(moved)
    for file in checkpoint_files(moved):
        (moved / file).unlink()
    refused = itop(moved, "resume", "a", "--epochs", "3", code=1)
    assert "is not in this home" in refused.stderr
    assert Path(before["checkpoints"][-1]["path"]).name in refused.stderr
    assert "is not in this home" in itop(moved, "fork", "a", "--epochs", "3", code=1).stderr
    after = run_of(moved)
    assert (after["status"], after["test_accuracy"]) == ("completed", before["test_accuracy"])
    assert after == before
    report = itop(moved, "doctor", code=1).stdout
    assert f"of {len(before['checkpoints'])}: {len(before['checkpoints'])} missing" in " ".join(report.split())


def test_a_home_whose_name_is_not_utf_8_is_refused_with_one_message(tmp_path: Path) -> None:
    home = os.fsencode(tmp_path) + b"/caf\xe9"
    for line in (["runs"], ["train", "--data", "digits"], ["doctor"]):
        done = itop(home, *line, code=None)
        assert done.returncode != 0
        assert (done.stdout + done.stderr).count("is not UTF-8") == 1
    assert not os.path.lexists(home)
