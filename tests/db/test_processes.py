"""Many processes on one database: nothing is lost, nothing fails, no device is given twice."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from db.history import metrics
from db.records import RunQuery, RunStatus
from db.runs import attempts, runs
from db.session import Database
from tests.db.helpers import new_run, output_of, python, started
from tests.db.recording import Nursery
from tests.patience import PATIENCE

_TRAIN = """
import sys
from db.session import Database
from db.history.writer import MetricWriter
from tests.db.helpers import step

db = Database.open()
with MetricWriter(db, int(sys.argv[1]), int(sys.argv[2])) as recorder:
    for number in range(1, int(sys.argv[3]) + 1):
        recorder.step(step(number))
        if number % 40 == 0:
            recorder.flush()
db.close()
"""

_SCHEDULE = """
import json, sys
from db.runs import attempts, runs
from db.records import RunStatus
from db.session import Database

db = Database.open()
name, mine = sys.argv[1], []
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


def test_everybody_writes_at_once_and_nothing_is_lost(db: Database) -> None:
    count, steps = 4, 240
    pairs = [started(db) for _ in range(count)]
    trainers = [python(_TRAIN, run.id, attempt.id, steps) for run, attempt in pairs]
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


@pytest.mark.parametrize("steps", [400, pytest.param(10_000, marks=[pytest.mark.slow, pytest.mark.timeout(1200)])])
def test_sixteen_workers_record_at_once(db: Database, home: Path, steps: int) -> None:
    """Nothing is lost and nothing raises, though two readers take turns so that there is always one."""
    pairs = [started(db) for _ in range(16)]
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            runs.list_runs(db, RunQuery(sort="loss"))
            metrics.several(db, [run.id for run, _ in pairs], ["loss"], buckets=50)

    readers = [threading.Thread(target=read) for _ in range(2)]
    with Nursery(home) as nursery:
        recorders = [nursery.start(run.id, attempt.id, steps=steps) for run, attempt in pairs]
        for reader in readers:
            reader.start()
        longest = nursery.longest_log(recorders)
        done.set()
        for reader in readers:
            reader.join(PATIENCE)
    for run, _ in pairs:
        assert [each.step for each in metrics.steps(db, run.id)] == list(range(1, steps + 1))
        assert runs.get(db, run.id).step == steps
    assert longest < 128 * 1024**2


def test_no_run_is_started_twice_and_no_device_overbooked(db: Database) -> None:
    waiting = {new_run(db).id for _ in range(20)}
    schedulers = [python(_SCHEDULE, number) for number in range(3)]
    reserved: list[tuple[int, int]] = []
    for process in schedulers:
        reserved += json.loads(output_of(process))
    assert Counter(run for run, _ in reserved) == Counter(waiting)
    assert max(seen for _, seen in reserved) <= 2
    assert attempts.open_attempts(db) == []
    assert runs.count(db, RunQuery(statuses=(RunStatus.COMPLETED,))) == len(waiting)
    assert all(run.attempt_count == 1 for run in runs.list_runs(db))
