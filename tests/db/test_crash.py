"""What happens to a SQLite file under a worker: locked, moved away, deleted; and the worker killed by -9."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from db.errors import StoreError
from db.history import levels, metrics
from db.history.writer import MetricWriter
from db.models import StepChunkRow
from db.runs import runs
from db.session import Database
from tests.db.helpers import new_run, python, started, step, wait_for
from tests.db.recording import Nursery


def test_a_locked_database_is_waited_for_and_the_order_kept(
    db: Database, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite is told not to wait, so that each refusal reaches the writer."""
    monkeypatch.setattr("db.session._BUSY_SECONDS", 0.0)
    monkeypatch.setattr("db.session._WRITE_PATIENCE_SECONDS", 0.0)
    run, attempt = started(db)
    tries: list[int] = []

    def commit(batch: Sequence[Any]) -> None:
        tries.append(len(batch))
        real(batch)

    with closing(Database.open()) as impatient, MetricWriter(impatient, run.id, attempt.id) as recorder:
        recorder.flush()
        real = recorder._commit
        monkeypatch.setattr(recorder, "_commit", commit)
        with closing(sqlite3.connect(home / "itop.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            for number in range(1, 51):
                recorder.step(step(number))
            wait_for(lambda: len(tries) >= 3, "several refusals")
            assert recorder.pending == 50
            recorder.step(step(51))
            other.execute("ROLLBACK")
        recorder.flush()
    assert [each.step for each in metrics.steps(db, run.id)] == list(range(1, 52))


def test_a_database_that_is_away_for_a_while_loses_nothing(db: Database, home: Path) -> None:
    run, attempt = started(db)
    names = ("itop.db", "itop.db-wal", "itop.db-shm")
    with MetricWriter(db, run.id, attempt.id) as recorder:
        recorder.step(step(1))
        recorder.flush()
        for name in names:
            (home / name).rename(home / f"away-{name}")
        recorder.step(step(2))
        with pytest.raises(AssertionError):
            wait_for(lambda: recorder.pending == 0, "what cannot be", seconds=0.3)
        for name in names:
            (home / f"away-{name}").rename(home / name)
        recorder.flush()
    assert [each.step for each in metrics.steps(db, run.id)] == [1, 2]


def test_a_database_that_stays_away_is_said(db: Database, home: Path) -> None:
    run, attempt = started(db)
    recorder = MetricWriter(db, run.id, attempt.id, patience=0.1)
    recorder.flush()
    for name in ("itop.db", "itop.db-wal", "itop.db-shm"):
        (home / name).unlink(missing_ok=True)
    recorder.step(step(1))
    with pytest.raises(StoreError, match=r"1 events are lost: The database .* was moved, deleted or replaced"):
        recorder.flush()
    with pytest.raises(StoreError, match="cannot be recorded any more"):
        recorder.step(step(2))
    with pytest.raises(StoreError):
        recorder.close()


_RECORD = """
import sys
from db.session import Database
from db.history.writer import MetricWriter
from tests.db.helpers import step

db = Database.open(sys.argv[1])
recorder = MetricWriter(db, int(sys.argv[2]), int(sys.argv[3]))
number = int(sys.argv[4])
while True:
    for _ in range(25):
        number += 1
        recorder.step(step(number))
    recorder.flush()
    print(number, flush=True)
"""


@pytest.mark.parametrize("trial", range(3))
def test_kill_9_loses_nothing_that_was_acknowledged(db: Database, home: Path, trial: int) -> None:
    run, attempt = started(db)
    process = python(_RECORD, home / "itop.db", run.id, attempt.id, 0)
    assert process.stdout is not None
    acknowledged = 0
    # Killed in the middle of the next batch, and read what it said until then.
    for _ in range(5 + 7 * trial):
        acknowledged = int(process.stdout.readline())
    process.kill()
    rest = process.communicate(timeout=120)[0].split("\n")[:-1]
    if rest:
        acknowledged = int(rest[-1])

    kept = [each.step for each in metrics.steps(db, run.id)]
    assert len(kept) >= acknowledged
    assert kept == list(range(1, len(kept) + 1))
    latest = runs.get(db, run.id)
    assert latest.step == kept[-1]
    db.close()
    with closing(sqlite3.connect(home / "itop.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


@pytest.mark.parametrize("trials", [20, pytest.param(1000, marks=[pytest.mark.slow, pytest.mark.timeout(1200)])])
def test_kill_9_at_any_instant_leaves_what_readers_had_seen(db: Database, home: Path, trials: int) -> None:
    """Killed after a random number of steps, at 800 a second or as fast as it goes, while somebody reads."""
    generator = random.Random(trials)
    with Nursery(home) as nursery:
        for _ in range(trials):
            run, attempt = started(db)
            rate = generator.choice((0.0, 800.0))
            goal = generator.randrange(1, 100 if rate else 1500)
            recorder = nursery.start(run.id, attempt.id, rate=rate)
            seen = 0
            while recorder.handed_over < goal:
                seen = max(seen, runs.get(db, run.id).step)
            recorder.kill()

            kept = [each.step for each in metrics.steps(db, run.id)]
            assert kept == list(range(1, len(kept) + 1))
            # It may have been killed between handing a step over and counting it.
            assert seen <= len(kept) <= recorder.handed_over + 1
            assert runs.get(db, run.id).step == len(kept)
            # The thinned copies went with the steps they are of.
            with db.read() as session:
                chunks = session.scalars(
                    sa.select(StepChunkRow.chunk).where(
                        StepChunkRow.run_id == run.id, StepChunkRow.level == 0, StepChunkRow.figure == 0
                    )
                ).all()
            assert sorted(chunks) == list(range((len(kept) + 1) // levels.chunk_size(0)))
    db.close()
    with closing(sqlite3.connect(home / "itop.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


def test_a_write_that_was_killed_half_way_never_happened(db: Database, home: Path) -> None:
    run = new_run(db)
    code = """
import os, signal, sys
import sqlalchemy as sa
from db.models import RunRow
from db.session import Database
db = Database.open(sys.argv[1])
with db.write() as session:
    session.execute(sa.update(RunRow).values(name="half"))
    session.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""
    process = python(code, home / "itop.db")
    process.communicate(timeout=120)
    assert process.returncode == -9
    assert runs.get(db, run.id).name == run.name
    new_run(db)  # and its lock went with it
