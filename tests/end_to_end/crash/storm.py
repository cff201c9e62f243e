"""Kills real processes at random times: scheduler, wardens and workers, with a seed, and checks that nothing is lost.

A temporary home holds several runs that train side by side. After each random pause one process (or several, or all)
is killed with SIGKILL, whatever it was doing: starting, training, writing a checkpoint or the database, ending. Runs
that ended are resumed from their last checkpoint, as the app's key does it, until all are complete. The same settings
are also trained once without interruption, and everything is compared with that.

Checked after each kill: the database passes its check; every row equals the uninterrupted run's row of that step,
without a gap; what a reader had seen before the kill is still there; every registered checkpoint exists and is
complete; no run is shown as active whose processes are gone. At the end, every row and the whole final state equal the
uninterrupted ones bit for bit.

More kills than in the test suite: ``python -m tests.end_to_end.crash --kills 1000 --seed 1``; with ``--places`` the
home is also copied and moved between the kills, and the machine renamed (`moving_storm.py`).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from db import key_values
from db.errors import StoreError
from db.records import RunStatus
from db.runs import checkpoints, removal, runs
from db.session import Database
from engine.launch import submit
from itop_tui.service import launching
from tests.end_to_end.crash.twins import RUNS, Uninterrupted, assert_equal, launch, whole
from tests.engine.launch.conftest import processes_of
from tests.engine.launch.tools import wait_for
from tests.engine.worker_runs import step_rows

VICTIMS = {
    "worker": ("engine.worker",),
    "warden": ("engine.launch.warden",),
    "scheduler": ("engine.launch.scheduler",),
    "warden and worker": ("engine.launch.warden", "engine.worker"),
    "everything": ("engine.launch.scheduler", "engine.launch.warden", "engine.worker"),
}
WEIGHTS = (5, 2, 2, 2, 2)
"""Workers hold unsaved work, so they are killed most often."""


@dataclass(slots=True)
class Report:
    """What was killed, and how long it took until every run's state was correct again.

    Attributes:
        seed: Seed of all pauses and choices.
        kills: How often each kind of process was killed while it was running.
        resumes: How many times an ended run was queued again.
        phases: The states of the runs whose worker was killed.
        longest: Seconds from a kill until no run whose processes were gone was shown as active any more; the most.
        rows: Step rows compared over the whole storm.
        complete: How many runs were trained to their end and found equal to the uninterrupted ones.
        places: How often the home was copied or moved, or the machine renamed, by kind.
    """

    seed: int
    kills: Counter[str] = field(default_factory=Counter)
    resumes: int = 0
    phases: Counter[str] = field(default_factory=Counter)
    longest: float = 0.0
    rows: int = 0
    complete: int = 0
    places: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        kills = ", ".join(f"{name} {count}" for name, count in self.kills.most_common())
        phases = ", ".join(f"{name} {count}" for name, count in self.phases.most_common())
        places = ", ".join(f"{name} {count}" for name, count in self.places.most_common())
        return (
            f"seed {self.seed}: {self.kills.total()} kills ({kills}); workers killed while {phases}; "
            f"{f'places: {places}; ' if places else ''}{self.resumes} resumes; {self.complete} runs complete and "
            f"identical; {self.rows:,} rows compared; states correct after {self.longest:.2f} s at most"
        )


@contextlib.contextmanager
def home(folder: Path, server: str | None = None) -> Iterator[Database]:
    """An ITOP_HOME for this process and all it starts; every process in it is ended at the end.

    Args:
        folder: The home.
        server: The URL of an empty database on a server, where the database is not to be a file in the home.
    """
    folder.mkdir(parents=True, exist_ok=True)
    before = {name: os.environ.get(name) for name in ("ITOP_HOME", "ITOP_DATABASE_URL", "OMP_NUM_THREADS")}
    os.environ |= {"ITOP_HOME": str(folder), "OMP_NUM_THREADS": "1"}
    os.environ.pop("ITOP_DATABASE_URL", None)
    if server is not None:
        os.environ["ITOP_DATABASE_URL"] = server
    try:
        with contextlib.closing(Database.open()) as db:
            key_values.put(db, "slots", {"cpu": 3})  # the fourth waits in the queue
            yield db
    finally:
        kill_all([folder])
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def kill_all(folders: Sequence[Path]) -> None:
    """Kill every process of some homes, and wait until they are gone."""
    wait_for(lambda: not hit(folders, VICTIMS["everything"]), "every process of the homes to be gone")


def living(folders: Iterable[Path]) -> Iterator[psutil.Process]:
    """The processes that were started with one of these homes."""
    return (process for folder in folders for process in processes_of(folder))


def hit(folders: Iterable[Path], modules: tuple[str, ...], choose: random.Random | None = None) -> list[int]:
    """Kill processes of homes: of each module one at random, or all of them without `choose`; returns their pids."""
    found: dict[str, list[psutil.Process]] = {module: [] for module in modules}
    for process in living(folders):
        with contextlib.suppress(psutil.Error):
            words = process.cmdline()
            for module in modules:
                if module in words and process.status() != psutil.STATUS_ZOMBIE:
                    found[module].append(process)
    killed = []
    for alive in found.values():
        chosen = alive if choose is None or len(modules) == 3 else choose.sample(alive, min(1, len(alive)))
        for process in chosen:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
                killed.append(process.pid)
    return killed


def uninterrupted(folder: Path, epochs: int, names: Iterable[str] = RUNS) -> dict[str, Uninterrupted]:
    """Train each of `RUNS`, or some of them, to its end without interruption."""
    with home(folder) as db:
        queued = {name: launch(db, name, epochs) for name in names}
        wait_for(
            lambda: all(runs.get(db, run.id).status.is_terminal for run in queued.values()),
            "the runs",
            seconds=900,
            every=0.1,
        )
        return {name: whole(db, run) for name, run in queued.items()}


class Storm:
    """The runs of a home, and the kills in it.

    Args:
        db: The home's database.
        folder: The home.
        expected: What the runs record without interruption.
        epochs: Their length.
        seed: Seed of pauses and choices.
    """

    def __init__(self, db: Database, folder: Path, expected: dict[str, Uninterrupted], epochs: int, seed: int) -> None:
        self._db = db
        self._folder = folder
        self._homes = [folder]  # with those whose processes may still live
        self._expected = expected
        self._random = random.Random(seed)
        self._epochs = epochs
        self._longest_pause = sum(len(run.steps) for run in expected.values()) // 5  # steps; short runs are hit too
        self._seen: dict[int, tuple[int, int]] = {}
        self.report = Report(seed)
        self._runs = {launch(db, name, epochs).id: name for name in sorted(expected)}

    def run(self, kills: int, resumes: int = 0) -> Report:
        """Kill and resume that many times, starting the runs again whenever all are complete; then wait for their end.

        A kill before a run's first step leads to no resume, and on a busy machine the first kills may all be such.
        """
        while self.report.kills.total() < kills or self.report.resumes < resumes:
            self._random_pause()
            self._kill_some()
            self._between_kills()
            self._resume_ended()
            if self._all_complete():
                self._compare_all()
                self._start_again()
        wait_for(self._all_complete, "every run to complete after the last kill", seconds=900, every=0.2)
        self._compare_all()
        return self.report

    # ---------------------------------------------------------------------------------------------- one kill

    def _random_pause(self) -> None:
        """Wait a random time or a random number of steps; the point of the kill is what the test varies."""
        if self._random.random() < 0.3:
            time.sleep(self._random.uniform(0.0, 1.5))
            return
        goal = self._progress() + self._random.randint(1, self._longest_pause)
        wait_for(lambda: self._progress() >= goal or self._idle(), "some steps to be taken", seconds=300, every=0.05)
        time.sleep(self._random.uniform(0.0, 0.1))

    def _progress(self) -> int:
        return sum(runs.get(self._db, run_id).step for run_id in self._runs)

    def _idle(self) -> bool:
        return all(runs.get(self._db, run_id).status.is_terminal for run_id in self._runs)

    def _kill_some(self) -> None:
        self._kill(self._random.choices(list(VICTIMS), WEIGHTS)[0])

    def _kill(self, victim: str) -> None:
        self._look()
        active = runs.active(self._db)
        killed = hit(self._homes, VICTIMS[victim], self._random)
        at = time.monotonic()
        if killed:
            self.report.kills[victim] += 1
            if "worker" in victim or victim == "everything":
                self.report.phases.update(run.status.value for run in active if run.pid in killed or run.pid is None)
        self._check_file()
        self._look()
        self._await_states(at)
        self._check_checkpoints()

    def _between_kills(self) -> None:
        """Nothing here: what else may happen to a home."""

    def _check_file(self) -> None:
        if self._db.on_server:
            return
        with contextlib.closing(sqlite3.connect(self._folder / "itop.db")) as file:
            assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]

    def _look(self) -> None:
        """Check the rows as a reader sees them: equal to the uninterrupted run's, none missing or lost."""
        for run_id, name in self._runs.items():
            run = runs.get(self._db, run_id)
            rows = step_rows(self._db, run)
            attempt = runs.get(self._db, run_id).attempt_count
            assert rows == self._expected[name].steps[: len(rows)], f"{name}: a row differs"
            before, seen = self._seen.get(run_id, (0, 0))
            if before == attempt == run.attempt_count:
                assert len(rows) >= seen, f"{name}: a reader had seen {seen} steps, and now there are {len(rows)}"
            self._seen[run_id] = (attempt, len(rows))
            self.report.rows += len(rows)

    def _await_states(self, since: float) -> None:
        """Wait, reading as the app does, until no run is shown as active whose processes are gone."""

        def states_are_true() -> bool:
            submit.reconcile(self._db)
            alive = {process.pid for process in living(self._homes)}
            shown = [run for run in runs.active(self._db) if run.pid is not None]
            return all(run.pid in alive for run in shown)

        wait_for(states_are_true, "the states of the killed runs")
        self.report.longest = max(self.report.longest, time.monotonic() - since)

    def _check_checkpoints(self) -> None:
        for run_id in self._runs:
            for record in checkpoints.for_run(self._db, run_id):
                try:
                    content = Path(record.path).read_bytes()
                except FileNotFoundError:  # a newer one may have replaced it
                    assert record not in checkpoints.for_run(self._db, run_id), record
                else:
                    assert hashlib.sha256(content).hexdigest() == record.sha256, record

    def _resume_ended(self) -> None:
        """Resume what ended too early, as a user would, and make sure that a scheduler runs."""
        for run_id in self._runs:
            run = runs.get(self._db, run_id)
            if run.status is RunStatus.QUEUED and run.held:
                runs.update_fields(self._db, run_id, held=False)
            elif run.status.is_terminal and run.status is not RunStatus.COMPLETED:
                assert run.status in (RunStatus.KILLED, RunStatus.LOST, RunStatus.FAILED), (run.status, run.reason)
                assert run.status is not RunStatus.FAILED or "start" in (run.reason or ""), run.reason
                launching.resume(self._db, run_id)
                self.report.resumes += 1
        if any(runs.get(self._db, run_id).status is RunStatus.QUEUED for run_id in self._runs):
            submit.ensure_scheduler(self._db)

    # ---------------------------------------------------------------------------------------------- the end

    def _all_complete(self) -> bool:
        self._resume_ended()
        submit.reconcile(self._db)
        return all(runs.get(self._db, run_id).status is RunStatus.COMPLETED for run_id in self._runs)

    def _compare_all(self) -> None:
        for run_id, name in self._runs.items():
            assert_equal(whole(self._db, runs.get(self._db, run_id)), self._expected[name], name)
            self.report.complete += 1

    def _start_again(self) -> None:
        for run_id in self._runs:
            with contextlib.suppress(StoreError):
                removal.remove(runs.delete(self._db, run_id, force=True))
        self._seen.clear()
        self._runs = {launch(self._db, name, self._epochs).id: name for name in sorted(self._expected)}


def storm(
    folder: Path,
    *,
    kills: int,
    seed: int,
    epochs: int,
    resumes: int = 0,
    expected: dict[str, Uninterrupted] | None = None,
) -> Report:
    """Kill processes at random in a folder; returns what was done, or fails at the first difference.

    Args:
        folder: An empty folder.
        kills: How many kills must have ended a running process.
        seed: Seed of pauses and choices.
        epochs: The length of the runs, 27 steps each.
        resumes: How many times a run that was ended by a kill must have been resumed.
        expected: The uninterrupted runs, where they were trained already.
    """
    known = uninterrupted(folder / "uninterrupted", epochs) if expected is None else expected
    with home(folder / "storm") as db:
        return Storm(db, folder / "storm", known, epochs, seed).run(kills, resumes)
