"""Disk space: what is deleted comes back to the file system, little by little."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections import namedtuple
from contextlib import closing
from pathlib import Path

import pytest

from db.history import metrics
from db.history.writer import MetricWriter
from db.records import RunStatus
from db.runs import attempts, runs
from db.session import Database
from db.sqlite import space
from tests.db.helpers import new_run, started, step


def recorded(db: Database, steps: int) -> int:
    run, attempt = started(db)
    with MetricWriter(db, run.id, attempt.id) as recorder:
        for number in range(1, steps + 1):
            recorder.step(step(number))
    attempts.finish(db, attempt.id, status=RunStatus.COMPLETED, reason=None)
    return run.id


def pragma(path: Path, name: str) -> object:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(f"PRAGMA {name}").fetchone()[0]


def test_the_space_of_a_deleted_run_comes_back(db: Database, home: Path) -> None:
    path = home / "itop.db"
    doomed, kept = recorded(db, 8000), recorded(db, 50)  # the later one lies behind the hole and has to move
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = path.stat().st_size
    runs.delete(db, doomed)
    given = db.give_back_space()
    assert given > 400_000
    assert path.stat().st_size <= before - given
    assert (home / "itop.db-wal").stat().st_size == 0
    assert [each.step for each in metrics.steps(db, kept)] == list(range(1, 51))
    assert pragma(path, "integrity_check") == "ok"
    assert pragma(path, "freelist_count") == 0
    assert db.give_back_space() == 0


def test_others_write_between_the_bites(db: Database, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    doomed = recorded(db, 4000)
    runs.delete(db, doomed)
    monkeypatch.setattr(space, "_BITE_SECONDS", 0.0)  # one page a bite
    between: list[int] = []
    monkeypatch.setattr("db.sqlite.space.time.sleep", lambda _: between.append(new_run(db).id))
    assert db.give_back_space() > 0
    assert len(between) > 10
    assert runs.count(db) == len(between)
    assert pragma(home / "itop.db", "integrity_check") == "ok"


def test_a_reader_at_work_is_not_waited_for(db: Database, home: Path) -> None:
    """The log cannot be emptied under it; trying again is for the next time, not for a wait with the lock held."""
    doomed = recorded(db, 2000)
    runs.delete(db, doomed)
    with db.read() as session:
        assert session.connection().exec_driver_sql("SELECT count(*) FROM runs").scalar() == 0
        thread = threading.Thread(target=db.give_back_space)
        thread.start()
        thread.join(60)
        assert not thread.is_alive()
        new_run(db)
    assert pragma(home / "itop.db", "freelist_count") == 0


@pytest.fixture
def old(db: Database, home: Path) -> Path:
    """A file of the first releases: it cannot give space back."""
    run_id = recorded(db, 100)
    db.close()
    path = home / "itop.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA auto_vacuum = NONE")
        connection.execute("VACUUM")
        assert connection.execute("PRAGMA auto_vacuum").fetchone() == (0,)
        assert connection.execute("SELECT id FROM runs").fetchone() == (run_id,)
    return path


def test_an_old_file_is_rewritten_once_and_keeps_everything(old: Path) -> None:
    assert space.enable(old) is None
    assert pragma(old, "auto_vacuum") == 2
    assert pragma(old, "integrity_check") == "ok"
    before = old.read_bytes()
    assert space.enable(old) is None
    assert old.read_bytes() == before
    with closing(Database.open()) as db:
        assert len(metrics.steps(db, runs.list_runs(db)[0].id)) == 100


def test_without_room_an_old_file_stays_as_it_is_and_says_so(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9, 1000))
    before = old.read_bytes()
    reason = space.enable(old)
    assert reason is not None
    assert "GB free in" in reason
    assert "VACUUM" in reason
    assert old.read_bytes() == before
    with closing(Database.open()) as db:
        assert db.give_back_space() == 0


def test_an_old_file_in_use_stays_as_it_is_and_says_so(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space, "_PATIENCE_SECONDS", 0.0)
    with closing(sqlite3.connect(old, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        reason = space.enable(old)
        other.execute("ROLLBACK")
    assert reason is not None
    assert "database is locked" in reason


def test_the_log_stays_short_although_somebody_always_reads(
    db: Database, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two readers one begins before the other ends, for ever: SQLite by itself would never start the log anew."""
    limit = 400_000
    monkeypatch.setattr(space, "_LONG_LOG_BYTES", limit)
    monkeypatch.setattr(space, "_READER_SECONDS", 5.0)
    monkeypatch.setattr(space, "_LONGEST_READER_SECONDS", 5.0)
    monkeypatch.setattr("db.session._LOG_PAUSE_SECONDS", 0.0)
    log = home / "itop.db-wal"
    done = threading.Event()

    def read() -> None:
        with (
            closing(sqlite3.connect(home / "itop.db", isolation_level=None)) as one,
            closing(sqlite3.connect(home / "itop.db", isolation_level=None)) as two,
        ):
            readers = (one, two)
            turn = 0
            while not done.is_set():
                reader, other = readers[turn % 2], readers[1 - turn % 2]
                reader.execute("BEGIN")
                reader.execute("SELECT count(*) FROM runs").fetchone()
                if other.in_transaction:
                    other.execute("ROLLBACK")
                turn += 1
                done.wait(0.002)

    reader = threading.Thread(target=read)
    longest = 0
    with closing(Database.open()) as writing:
        reader.start()
        try:
            for number in range(250):
                new_run(writing, notes=str(number) * 4000)
                longest = max(longest, log.stat().st_size)
        finally:
            done.set()
            reader.join(60)
    assert runs.count(db) == 250
    assert longest < 2 * limit  # untended, it comes to 17 million


def test_a_reader_that_never_ends_is_tried_ever_less_often(
    db: Database, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(space, "_LONG_LOG_BYTES", 1)
    monkeypatch.setattr(space, "_LONGEST_READER_SECONDS", 0.0)
    new_run(db)
    with closing(sqlite3.connect(home / "itop.db", isolation_level=None)) as endless:
        endless.execute("BEGIN")
        endless.execute("SELECT count(*) FROM runs").fetchone()
        pauses = []
        for _ in range(9):
            db._log_due = 0.0
            new_run(db)
            pauses.append(db._log_pause)
        assert pauses[:3] == [2.0, 4.0, 8.0]
        assert pauses[-1] == 8.0
    db._log_due = 0.0
    new_run(db)
    assert db._log_pause == 1.0
    assert (home / "itop.db-wal").stat().st_size == 0
