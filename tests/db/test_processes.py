"""Many processes on one database: nothing is lost, nothing fails, no device is given twice."""

from __future__ import annotations

import json
import sqlite3
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from db import attempts, metrics, runs
from db.records import RunQuery, RunStatus
from db.session import Database
from tests.db.helpers import new_run, output_of, python, started

_TRAIN = """
import sys
from db.session import Database
from db.writer import MetricWriter
from tests.db.helpers import step

db = Database.open(sys.argv[1])
with MetricWriter(db, int(sys.argv[2]), int(sys.argv[3])) as recorder:
    for number in range(1, int(sys.argv[4]) + 1):
        recorder.step(step(number))
        if number % 40 == 0:
            recorder.flush()
db.close()
"""

_SCHEDULE = """
import json, sys
from db import attempts, runs
from db.records import RunStatus
from db.session import Database

db = Database.open(sys.argv[1])
name, mine = sys.argv[2], []
while waiting := runs.queued(db):
    for run in waiting:
        attempt = runs.reserve(db, run.id, host="h", device="cuda:0", slots=2)
        if attempt is None:
            continue
        seen = sum(each.device == "cuda:0" for each in attempts.open_attempts(db, "h"))
        mine.append((run.id, seen))
        attempts.finish(db, attempt.id, status=RunStatus.COMPLETED, reason=name)
print(json.dumps(mine))
db.close()
"""


def test_everybody_writes_at_once_and_nothing_is_lost(db: Database, home: Path) -> None:
    count, steps = 4, 400
    pairs = [started(db) for _ in range(count)]
    trainers = [python(_TRAIN, home / "itop.db", run.id, attempt.id, steps) for run, attempt in pairs]
    while any(process.poll() is None for process in trainers):
        runs.list_runs(db, RunQuery(sort="loss"))  # a reader that never rests
        db.data_version()
        new_run(db, name="written meanwhile")
        time.sleep(0.01)  # the tests share two cores
    for process in trainers:
        assert "locked" not in output_of(process)
    for run, _ in pairs:
        assert [each.step for each in metrics.steps(db, run.id)] == list(range(1, steps + 1))
        assert runs.get(db, run.id).step == steps
    with db.read() as session:
        assert session.connection().exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"


def test_no_run_is_started_twice_and_no_device_overbooked(db: Database, home: Path) -> None:
    waiting = {new_run(db).id for _ in range(30)}
    schedulers = [python(_SCHEDULE, home / "itop.db", number) for number in range(3)]
    reserved: list[tuple[int, int]] = []
    for process in schedulers:
        reserved += json.loads(output_of(process))
    assert Counter(run for run, _ in reserved) == Counter(waiting)
    assert max(seen for _, seen in reserved) <= 2
    assert attempts.open_attempts(db) == []
    assert runs.count(db, RunQuery(statuses=(RunStatus.COMPLETED,))) == len(waiting)
    assert all(run.attempt_count == 1 for run in runs.list_runs(db))


_RECORD = """
import sys
from db.session import Database
from db.writer import MetricWriter
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
    rest = process.communicate(timeout=30)[0].split("\n")[:-1]
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
    process.communicate(timeout=30)
    assert process.returncode == -9
    assert runs.get(db, run.id).name == run.name
    new_run(db)  # and its lock went with it
