"""The same processes with a PostgreSQL server as their database."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from db.records import RunStatus
from db.runs import attempts
from db.session import Database
from engine.launch import submit
from engine.launch.lock import is_served, scheduler_lock
from tests.db.conftest import server  # noqa: F401 - a fixture
from tests.db.server import database_on
from tests.engine.launch.conftest import fake_worker
from tests.engine.launch.test_one_start import FORCED, consoles
from tests.engine.launch.tools import Lab, wait_for

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


def test_two_homes_on_one_server_have_one_scheduler_and_start_each_attempt_once(remote: Lab, tmp_path: Path) -> None:
    lock, second = scheduler_lock(remote.db), scheduler_lock(remote.db)
    assert not is_served(remote.db)
    assert lock.acquire()
    assert is_served(remote.db)
    assert not second.acquire()
    with remote.db.write() as session:  # what a server does that is started again
        session.execute(sa.text("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"))
    wait_for(lambda: lock.intact() and is_served(remote.db), "the lock to be taken again")
    assert not second.acquire()
    lock.release()
    assert not lock.intact()
    wait_for(lambda: not is_served(remote.db), "the lock to be free")
    other = tmp_path / "other"
    other.mkdir()
    queued = [remote.queue("finish 0.2") for _ in range(3)]
    for home in (remote.home, other):
        forced = (sys.executable, "-P", "-c", FORCED, *remote.worker)
        remote.run_command(*forced, env={"ITOP_HOME": str(home)})
    for run in queued:
        remote.wait_status(run, RunStatus.COMPLETED)
    for child in remote.children:
        child.kill()
    assert consoles(remote.home, other) == {run.uid: 1 for run in queued}
