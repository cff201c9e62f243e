"""The storm of kills in a home that is copied and moved meanwhile, on a machine that is renamed.

Between two kills one of these happens:

- All processes are killed and the home is copied. In the copy a run is resumed and trained to its end, and another one
  deleted. The original rests, and then is byte for byte as before; or its own runs are resumed first and train beside
  those of the copy.
- The home is moved, at rest or under the living processes: and back again, so that these go on; or they are killed, and
  the work goes on in the new place.
- The machine gets another name, with its processes alive or killed.

With a server as the database, the home (the runs' folders) is moved and the database stays; nothing is copied.

Checked, beside what each storm checks: nothing of the original changes by work in a copy; no process makes the home
again where it was; a run that a copy completes is bit-identical too; `itop doctor` has no remark on the database,
the files and the scheduler at the end, and finds nothing broken in a copy.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from db.records import RunStatus
from db.runs import removal, runs
from db.session import Database
from engine.launch import machine, processes, submit
from itop_tui.service import launching
from tests.end_to_end.crash.storm import Report, Storm, home, kill_all, uninterrupted
from tests.end_to_end.crash.twins import Uninterrupted, assert_equal, whole
from tests.engine.launch.tools import wait_for
from tests.patience import PATIENCE

_ODD = " %20#é"
_LOOKED_AT = ("Database", "Scheduler")
_CLONE_NEWUTS = 0x04000000


@contextlib.contextmanager
def own_host_name() -> Iterator[None]:
    """Let this thread, and the processes that it starts, have a host name of their own; skips where that cannot be."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/proc/thread-self/ns/uts").open("rb") as before:
        if libc.unshare(_CLONE_NEWUTS):
            pytest.skip("this user may not give a process another host name")
        try:
            yield
        finally:
            assert libc.setns(before.fileno(), _CLONE_NEWUTS) == 0
            _read_name_again()


def _read_name_again() -> None:
    """Let this process, like one that is started now, know the host by its present name."""
    processes.host_name.cache_clear()
    machine._fixed.cache_clear()


def remarks(*tones: str) -> list[str]:
    """What `itop doctor` finds wrong ("bad") or worth a remark ("warn") in the present home."""
    command = [sys.executable, "-P", "-m", "itop_tui", "doctor", "--checksums", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    checks = json.loads(done.stdout)["checks"]
    return [str(one) for one in checks if one["section"] in _LOOKED_AT and one["tone"] in tones]


def content(folder: Path) -> list[str]:
    """Every file of a home with its inode and checksum. SQLite's index of the log changes when it is read.

    Another process reads them: one that closes a file drops its locks on it, and this one has the database open.
    """
    look = ["find", ".", "-type", "f", "!", "-name", "*-shm", "-exec"]
    shown = [
        subprocess.run([*look, *command, "{}", "+"], cwd=folder, capture_output=True, text=True, check=True).stdout
        for command in (["stat", "-c", "%n %i"], ["sha256sum"])
    ]
    return sorted("".join(shown).splitlines())


class MovingStorm(Storm):
    """A storm of kills between which the home is copied and moved, and the machine renamed."""

    def __init__(self, *about: Any) -> None:
        super().__init__(*about)
        self._story: list[str] = []

    def run(self, kills: int, resumes: int = 0) -> Report:
        """Do as every storm does; then let `itop doctor` look at the home."""
        try:
            report = super().run(kills, resumes)
            wait_for(lambda: not submit.scheduler_running(self._db), "the scheduler to leave")
            found = remarks("bad", "warn")
            assert found == [], found
        except BaseException as error:
            error.add_note(f"{self.report}\n{'; '.join(self._story)}")
            raise
        return report

    def _kill(self, victim: str) -> None:
        self._story.append(f"killed {victim}")
        super()._kill(victim)

    def close(self) -> None:
        """End what is left in any of the places."""
        kill_all(self._homes)
        self._db.close()

    def _between_kills(self) -> None:
        happenings = [self._move, self._rename] if self._db.on_server else [self._copy, self._move, self._rename]
        if self._random.random() < 0.8:
            happens = self._random.choice(happenings)
            self._story.append(happens.__name__.lstrip("_"))
            happens()
            self._look()
            self._check_checkpoints()

    def _kill_everything(self) -> None:
        self._kill("everything")
        kill_all(self._homes)  # what one of them had just started
        self._await_states(time.monotonic())

    # ---------------------------------------------------------------------------------------------- copies

    def _copy(self) -> None:
        self._kill_everything()
        copy = self._folder.with_name(f"copy {self.report.places.total()}")
        subprocess.run(["cp", "-a", self._folder, copy], check=True)  # not by this process: see `content`
        beside = self._random.random() < 0.4
        self._story.append("both at work" if beside else "original at rest")
        if beside:
            self._resume_ended()
        before = content(self._folder)
        os.environ["ITOP_HOME"] = str(copy)
        try:
            with contextlib.closing(Database.open()) as db:
                self._work_in_copy(db)
                kill_all([copy])
                submit.reconcile(db)
            found = remarks("bad")  # runs that were not resumed have what a killed writer left
            assert found == [], found
        finally:
            kill_all([copy])
            os.environ["ITOP_HOME"] = str(self._folder)
        if not beside:
            assert content(self._folder) == before, "work in a copy changed the original"
        shutil.rmtree(copy)
        self.report.places["copied, both at work" if beside else "copied"] += 1

    def _work_in_copy(self, db: Database) -> None:
        """Delete a run, and train another one to its end, if there is one that has not ended so."""
        submit.reconcile(db)
        order = list(self._runs)
        self._random.shuffle(order)
        removed, *others = order
        problems = removal.remove(runs.delete(db, removed, force=True))
        assert problems == [], problems
        unfinished = [run_id for run_id in others if runs.get(db, run_id).status is not RunStatus.COMPLETED]
        if not unfinished:
            return
        chosen = unfinished[0]
        if runs.get(db, chosen).status.is_terminal:
            launching.resume(db, chosen)
        runs.update_fields(db, chosen, held=False)
        submit.ensure_scheduler(db)
        wait_for(lambda: runs.get(db, chosen).status is RunStatus.COMPLETED, "the run of the copy", every=0.1)
        name = self._runs[chosen]
        assert_equal(whole(db, runs.get(db, chosen)), self._expected[name], f"{name}, in the copy")
        self.report.complete += 1

    # ---------------------------------------------------------------------------------------------- moves

    def _move(self) -> None:
        alive = self._random.random() < 0.7
        if not alive:
            self._kill_everything()
        self._story.append("at work" if alive else "at rest")
        old, new = self._folder, self._folder.with_name(f"home {self.report.places.total()}{_ODD}")
        old.rename(new)
        if alive:
            time.sleep(self._random.uniform(0.0, 2.0))  # the living have some time to notice
            if self._random.random() < 0.5:
                self._assert_gone(old)
                new.rename(old)
                self.report.places["moved, and back, at work"] += 1
                return
            kill_all(self._homes)
        self._assert_gone(old)
        self._db.close()
        self._folder = new
        self._homes = [new]
        os.environ["ITOP_HOME"] = str(new)
        self._db = Database.open()
        self._await_states(time.monotonic())
        self.report.places["moved at work" if alive else "moved"] += 1

    def _assert_gone(self, old: Path) -> None:
        assert not old.exists(), ("something made the home again where it was", sorted(old.rglob("*")))

    # ---------------------------------------------------------------------------------------------- names

    def _rename(self) -> None:
        alive = self._random.random() < 0.5
        if not alive:
            self._kill_everything()
        socket.sethostname(f"host-{self.report.places.total()}")
        _read_name_again()
        self._await_states(time.monotonic())
        self.report.places["renamed at work" if alive else "renamed"] += 1


def moving_storm(
    folder: Path,
    *,
    kills: int,
    seed: int,
    epochs: int,
    expected: dict[str, Uninterrupted] | None = None,
    server: str | None = None,
) -> Report:
    """Kill, copy, move and rename at random; returns what was done, or fails at the first difference.

    Args:
        folder: An empty folder.
        kills: How many kills must have ended a running process.
        seed: Seed of pauses and choices.
        epochs: The length of the runs, 27 steps each.
        expected: The uninterrupted runs, where they were trained already.
        server: The URL of an empty database on a server, where the database is not to be a file in the home.
    """
    known = uninterrupted(folder / "uninterrupted", epochs) if expected is None else expected
    with own_host_name(), home(folder / "storm", server) as db:
        storm = MovingStorm(db, folder / "storm", known, epochs, seed)
        try:
            return storm.run(kills)
        finally:
            storm.close()
