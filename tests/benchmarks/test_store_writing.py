"""How soon a recorded step can be read, how long readers and writers wait for each other, the length of the log.

Run with `-m benchmark -s`; the figures are printed. All with real processes, on a database of its own.
"""

from __future__ import annotations

import random
import sqlite3
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from db.history import metrics
from db.records import RunQuery
from db.runs import runs
from db.session import Database
from tests.benchmarks.measuring import spread
from tests.db.helpers import new_run, started
from tests.db.recording import Nursery, Recorder

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(300)]

RATE = 800.0  # steps a second


@pytest.fixture
def db(home: Path) -> Iterator[Database]:
    with closing(Database.open()) as opened:
        yield opened


def test_kill_9_at_800_steps_a_second_loses_at_most_80(db: Database, home: Path) -> None:
    generator = random.Random(5)
    lost: list[int] = []
    with Nursery(home) as nursery:
        for _ in range(30):
            run, attempt = started(db)
            recorder = nursery.start(run.id, attempt.id, rate=RATE)
            goal = generator.randrange(200, 1000)
            while recorder.handed_over < goal:
                time.sleep(0.001)
            recorder.kill()
            lost.append(recorder.handed_over - runs.get(db, run.id).step)
    print(f"\nlost by kill -9 at {RATE:g} steps a second: median {statistics.median(lost):g}, most {max(lost)}, of 30")
    assert statistics.median(lost) <= 80
    assert max(lost) <= 80


def test_a_step_is_committed_within_a_tenth_of_a_second(db: Database, home: Path) -> None:
    """The age of the newest step that is not committed yet, as another process sees it: 16 recorders, 50 a second."""
    ages: list[float] = []
    with Nursery(home) as nursery:
        pairs = [started(db) for _ in range(16)]
        recorders = [nursery.start(run.id, attempt.id, rate=50.0) for run, attempt in pairs]
        _wait_until_at_work(recorders)
        until = time.monotonic() + 5
        while time.monotonic() < until:
            turn = random.randrange(len(pairs))
            target, began = recorders[turn].handed_over, time.perf_counter()
            while runs.get(db, pairs[turn][0].id).step < target:
                time.sleep(0.001)
            ages.append(time.perf_counter() - began)
    print(f"\nfrom the call to the commit, 16 recorders at once: {spread(ages)}")
    assert statistics.median(ages) < 0.1


def _wait_until_at_work(recorders: list[Recorder]) -> None:
    while not all(recorder.handed_over > 20 for recorder in recorders):
        time.sleep(0.01)


@contextmanager
def _reader(path: Path) -> Iterator[None]:
    """A reader that opened a transaction and never ends it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM runs").fetchone()
        yield


@pytest.mark.parametrize("forgotten", [False, True], ids=["", "beside a reader that never ends"])
def test_readers_and_writers_do_not_wait_for_each_other(db: Database, home: Path, forgotten: bool) -> None:
    """Reads beside four recorders against reads alone, and writes beside two busy readers against writes alone."""
    path = home / "itop.db"
    with Nursery(home) as nursery:
        run, attempt = started(db)
        for _ in range(200):
            new_run(db)

        def reads(seconds: float) -> list[float]:
            taken: list[float] = []
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                began = time.perf_counter()
                runs.list_runs(db, RunQuery(limit=60))
                taken.append(time.perf_counter() - began)
                time.sleep(0.002)
            return taken

        def writes(seconds: float) -> list[float]:
            taken: list[float] = []
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                began = time.perf_counter()
                runs.update_fields(db, run.id, notes=str(began))
                taken.append(time.perf_counter() - began)
                time.sleep(0.002)
            return taken

        reads_alone, writes_alone = reads(2), writes(2)
        done = threading.Event()
        with _reader(path) if forgotten else closing(sqlite3.connect(path)):
            readers = [threading.Thread(target=lambda: _read_on(db, done)) for _ in range(2)]
            for reader in readers:
                reader.start()
            writes_beside = writes(3)
            done.set()
            for reader in readers:
                reader.join(60)
            pairs = [started(db) for _ in range(4)]
            recorders = [nursery.start(each.id, own.id, rate=RATE) for each, own in pairs]
            _wait_until_at_work(recorders)
            reads_beside = reads(3)
            assert attempt.run_id == run.id
    print(f"\na read alone: {spread(reads_alone)}\n  beside four recorders: {spread(reads_beside)}")
    print(f"a write alone: {spread(writes_alone)}\n  beside two readers: {spread(writes_beside)}")
    assert statistics.median(reads_beside) - statistics.median(reads_alone) < 0.05
    assert statistics.median(writes_beside) - statistics.median(writes_alone) < 0.05


def _read_on(db: Database, done: threading.Event) -> None:
    while not done.is_set():
        runs.list_runs(db, RunQuery(limit=60))
        done.wait(0.002)


def test_the_log_beside_sixteen_recorders_and_a_reader_that_never_rests(db: Database, home: Path) -> None:
    done = threading.Event()
    pairs = [started(db) for _ in range(16)]

    def read() -> None:
        while not done.is_set():
            metrics.several(db, [run.id for run, _ in pairs], ["loss"], buckets=100)

    readers = [threading.Thread(target=read) for _ in range(2)]
    steps = 6_000
    with Nursery(home) as nursery:
        began = time.perf_counter()
        recorders = [nursery.start(run.id, attempt.id, steps=steps) for run, attempt in pairs]
        for reader in readers:
            reader.start()
        longest = nursery.longest_log(recorders)
        taken = time.perf_counter() - began
        done.set()
        for reader in readers:
            reader.join(60)
    written = (home / "itop.db").stat().st_size
    print(
        f"\n16 recorders: {16 * steps / taken:,.0f} steps a second; the log {longest / 1e6:.0f} MB at its longest, "
        f"the file {written / 1e6:.0f} MB"
    )
    assert longest < 64 * 1024**2
