"""The same processes with a PostgreSQL server as their database."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from db.records import RunStatus
from db.runs import attempts
from db.session import Database
from engine.launch import submit
from tests.db.conftest import server  # noqa: F401 - a fixture
from tests.db.server import database_on
from tests.engine.launch.conftest import fake_worker
from tests.engine.launch.tools import Lab

pytestmark = pytest.mark.slow


@pytest.fixture
def remote(home: Path, server: sa.URL, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:  # noqa: F811
    with database_on(server) as url:
        monkeypatch.setenv("ITOP_DATABASE_URL", url)
        with contextlib.closing(Lab(Database.open(), home, fake_worker())) as laboratory:
            yield laboratory


def test_runs_start_end_and_are_told_apart(remote: Lab) -> None:
    deaf, done, crash, stopped = (remote.queue(notes) for notes in ("deaf", "finish 0", "crash", "wait"))
    remote.ensure_scheduler()
    remote.wait_status(deaf, RunStatus.RUNNING)
    os.kill(remote.identity(deaf, "worker").pid, signal.SIGKILL)
    assert remote.wait_status(deaf, RunStatus.KILLED).reason == "killed by SIGKILL (signal 9)"
    assert remote.wait_status(done, RunStatus.COMPLETED).exit_code == 0
    assert remote.wait_status(crash, RunStatus.FAILED).reason == "ValueError: the loss is made of cheese"
    remote.wait_status(stopped, RunStatus.RUNNING)
    submit.stop(remote.db, stopped.id)
    assert remote.wait_status(stopped, RunStatus.STOPPED).exit_code == 3
    assert not (remote.home / "itop.db").exists()


def test_the_next_scheduler_adopts_what_a_killed_one_had_started(remote: Lab) -> None:
    run = remote.queue("wait")
    remote.ensure_scheduler()
    remote.wait_status(run, RunStatus.RUNNING)
    remote.kill_scheduler()
    remote.ensure_scheduler()
    submit.kill(remote.db, run.id)
    assert remote.wait_status(run, RunStatus.KILLED).reason == "killed by user"
    assert len(attempts.for_run(remote.db, run.id)) == 1
