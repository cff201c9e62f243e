"""A home that is moved under living processes: none of them makes it again where it was, and a worker waits for it.

The database is beside the home, as where a server has it: one in the home is moved with it, and is waited for itself.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from db import private_files
from db.errors import DatabaseGone, HomeGone
from db.runs import checkpoints, runs
from db.session import Database
from engine import worker
from engine.launch import scheduler, submit
from engine.launch.exit_reasons import EXIT_NO_DATABASE
from engine.launch.lock import scheduler_lock
from engine.launch.machine import this_host
from engine.launch.scheduler import Scheduler
from engine.training import checkpoint
from engine.training.checkpointer import Checkpointer
from engine.training.outcome import Outcome
from tests.engine.training.helpers import config, trainer
from tests.engine.worker_runs import create


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("ITOP_HOME", str(folder))
    return folder


@pytest.fixture
def beside(home: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """The database of the home, which lies beside it."""
    place = home.with_name("beside.db")
    shutil.copy(empty_database, place)
    monkeypatch.setenv("ITOP_DATABASE_URL", str(place))
    with contextlib.closing(Database.open()) as database:
        yield database


@pytest.mark.usefixtures("signals")
def test_a_worker_that_starts_makes_neither_home_nor_database_again(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("ITOP_DATABASE_URL", raising=False)
    home.rmdir()
    assert worker.main(["1", "--attempt", "1"]) == EXIT_NO_DATABASE
    assert "itop.db is not there any more: was its folder moved?" in "".join(capsys.readouterr())
    assert not home.exists()
    with pytest.raises(DatabaseGone):
        Database.open(make=False)
    Database.open().close()
    assert (home / "itop.db").exists()


def test_a_scheduler_makes_no_home_again_and_leaves_where_it_was_moved(
    home: Path, beside: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = scheduler_lock(beside)
    assert lock.acquire()
    ticks: list[bool] = []

    def tick(_: Scheduler) -> bool:
        ticks.append(True)
        home.rename(home.with_name("moved"))
        return True

    monkeypatch.setattr(Scheduler, "tick", tick)
    scheduler.serve(Scheduler(beside), lock, idle_seconds=60.0, log=None)
    assert (len(ticks), home.exists()) == (1, False)
    lock.release()

    monkeypatch.delenv("ITOP_DATABASE_URL")
    assert scheduler.main(["--foreground"]) == 1
    assert "is not there any more" in capsys.readouterr().out
    assert not home.exists()


def test_nothing_that_is_written_for_a_run_makes_the_home_again(home: Path, beside: Database) -> None:
    run = runs.create(beside, config={"device": "cpu"}, submission=submit.submission())
    assert runs.reserve(beside, run.id, host=this_host(), device="cpu", slots=1) is not None
    folder = home / "runs" / run.uid
    private_files.make_run_folder(folder)
    assert folder.is_dir()
    shutil.rmtree(home)
    with pytest.raises(HomeGone, match="was it moved"):
        private_files.make_run_folder(folder)
    with pytest.raises(HomeGone):
        checkpoint.write(folder / "checkpoints" / "a.pt", {})
    with pytest.raises(HomeGone):
        submit.kill(beside, run.id)
    assert not home.exists()


@pytest.mark.parametrize("moment", ["before it is written", "while it is written"])
def test_a_checkpoint_waits_until_the_home_is_back(
    home: Path, beside: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], moment: str
) -> None:
    settings = config(device="cpu")
    run = create(beside)
    attempt = runs.reserve(beside, run.id, host=this_host(), device="cpu", slots=1)
    assert attempt is not None
    keeper = Checkpointer(beside, run.id, attempt.id, run.uid, settings, flush=lambda: None)
    moved = home.with_name("moved")
    waits: list[bool] = []

    def save(*what: Any) -> None:
        whole(*what)
        if not waits:
            home.rename(moved)

    whole = torch.save
    if moment == "while it is written":
        monkeypatch.setattr(torch, "save", save)
    else:
        home.rename(moved)

    def wait(_: float) -> None:
        waits.append(home.exists())
        if len(waits) == 3:
            moved.rename(home)

    monkeypatch.setattr(time, "sleep", wait)
    record = keeper.save(trainer(settings), ["last"])
    assert waits == [False] * 3
    assert hashlib.sha256(Path(record.path).read_bytes()).hexdigest() == record.sha256
    assert [one.id for one in checkpoints.for_run(beside, run.id)] == [record.id]
    assert capsys.readouterr().out.count("a checkpoint waits: ") == 1
    folder = home / "runs" / run.uid / "checkpoints"
    assert sorted(folder.glob("*.pt")) == [Path(record.path)]
    (folder / checkpoint.file_name(1, "last")).write_bytes(b"replaced while the home was moved")
    keeper.on_end(trainer(settings), Outcome("completed"))
    assert sorted(folder.glob("*.pt")) == [Path(record.path)]
