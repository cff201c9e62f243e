"""Runs that are queued while a scheduler looks at the queue all the time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
import pytest

from db import key_values
from db.records import RunQuery, RunStatus
from db.runs import runs
from db.runs.runs import NewRun
from db.session import Database
from engine.config.run_config import RunConfig
from engine.launch import submit
from engine.launch.scheduler import Scheduler
from itop_tui.service import launching
from tests.engine.launch.tools import Lab


@contextmanager
def busy_scheduler(lab: Lab) -> Iterator[None]:
    """A scheduler with room for everything that never pauses between two rounds."""
    key_values.put(lab.db, "slots", {"cpu": 100})
    done = threading.Event()

    def serve() -> None:
        with closing(Database.open()) as db:
            scheduler = Scheduler(db, worker=lab.worker)
            while not done.is_set():
                scheduler.tick()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def test_no_held_run_of_a_sweep_starts(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submit, "ensure_scheduler", lambda db: None)
    configs = [RunConfig.create(data="digits", device="cpu", seed=seed) for seed in range(200)]
    with busy_scheduler(lab):
        made = launching.launch(lab.db, configs, where="held", group="sweep").runs
    assert len(made) == 200
    found = runs.list_runs(lab.db, RunQuery(limit=None))
    assert {(run.status, run.held, run.attempt_count) for run in found} == {(RunStatus.QUEUED, True, 0)}


def test_a_worker_gets_its_own_submission_though_another_person_submits_at_once(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing that another process does after the row is written can change where its run was submitted."""
    folder = tmp_path / "project"
    folder.mkdir()
    run = runs.create_many(
        lab.db,
        [NewRun(config={"device": "cpu"}, notes="deaf")],
        submission={"folder": str(folder), "environment": {"ITOP_DATA_DIR": "theirs"}},
    )[0]
    monkeypatch.setenv("ITOP_DATA_DIR", "another's")
    lab.ensure_scheduler()
    worker = psutil.Process(lab.identity(run, "worker").pid)
    assert (worker.cwd(), worker.environ()["ITOP_DATA_DIR"]) == (str(folder), "theirs")
    assert not lab.files(run).origin.exists()


def test_a_run_without_a_submission_starts_at_once_in_its_own_folder(lab: Lab) -> None:
    run = runs.create(lab.db, config={"device": "cpu"}, notes="deaf")
    scheduler = Scheduler(lab.db, worker=lab.worker)
    scheduler.tick()
    assert lab.get(run).attempt_count == 1, "it is not waited for a submitter"
    assert psutil.Process(lab.identity(run, "worker").pid).cwd() == str(lab.files(run).folder)
