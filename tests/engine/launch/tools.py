"""What the tests of launching share: waiting for a condition, and a laboratory of runs, wardens and schedulers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from db import paths
from db.records import AttemptRecord, RunRecord, RunStatus
from db.runs import attempts, runs
from db.session import Database
from engine.launch import submit
from engine.launch.attempt_files import AttemptFiles, read_json
from engine.launch.lock import lock_path
from engine.launch.processes import ProcessIdentity, host_name
from engine.launch.warden import Task
from tests.patience import PATIENCE
from tests.patience import wait_for as wait_for


class Lab:
    """Runs of a fake worker, with real wardens and schedulers."""

    def __init__(self, db: Database, home: Path, worker: tuple[str, ...]) -> None:
        self.db = db
        self.home = home
        self.worker = worker
        self.children: list[subprocess.Popen[bytes]] = []

    def reopen(self) -> None:
        self.db = Database.open()

    def close(self) -> None:
        """Kill and reap what this process itself has started."""
        self.db.close()
        for child in self.children:
            child.kill()
            child.wait()

    # Runs

    def queue(
        self, notes: str, *, device: str = "cpu", settings: Mapping[str, str] | None = None, **about: Any
    ) -> RunRecord:
        """Queue a run; `settings` are further ones of its configuration, `about` what else `runs.create` takes."""
        here = submit.submission()
        config = {"device": device, **(settings or {})}
        run = runs.create(self.db, config=config, notes=notes, submission=here, **about)
        self.files(run).folder.mkdir(parents=True)  # as a scheduler does, for tests that write the files themselves
        return run

    def get(self, run: RunRecord) -> RunRecord:
        return runs.get(self.db, run.id)

    def files(self, run: RunRecord, number: int = 1) -> AttemptFiles:
        return AttemptFiles(paths.run_folder(run.uid), number)

    def attempt(self, run: RunRecord) -> AttemptRecord:
        attempt = attempts.latest(self.db, run.id)
        assert attempt is not None
        return attempt

    def wait_status(self, run: RunRecord, *wanted: RunStatus, seconds: float = PATIENCE) -> RunRecord:
        def reached() -> RunRecord | None:
            record = self.get(run)
            return record if record.status in wanted else None

        return wait_for(reached, f"run {run.id} to be {' or '.join(wanted)}", seconds=seconds)

    # Processes

    def identity(self, run: RunRecord, who: str) -> ProcessIdentity:
        """The warden or the worker of the run's first attempt, once it is known."""

        def known() -> ProcessIdentity | None:
            return ProcessIdentity.from_dict((read_json(self.files(run).claim) or {}).get(who))

        return wait_for(known, f"the {who} of run {run.id}")

    def start_warden(self, run: RunRecord, *, env: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Reserve the run and start its warden, as a scheduler would, and as a child of ours."""
        attempt = runs.reserve(self.db, run.id, host=host_name(), device="cpu", slots=100)
        assert attempt is not None
        return self.spawn_warden(attempt, run, env=env)

    def spawn_warden(
        self,
        attempt: AttemptRecord,
        run: RunRecord,
        *,
        env: dict[str, str] | None = None,
        device: str = "cpu",
        time_limit: float | None = None,
        grace: float = 120.0,
    ) -> subprocess.Popen[bytes]:
        files = self.files(run, attempt.number)
        files.folder.mkdir(parents=True, exist_ok=True)
        visible, submission = device.partition(":")[2], runs.submission(self.db, run.id)
        task = Task(run.id, attempt.id, files, device, visible, self.worker, time_limit, grace, submission)
        return self.spawn("engine.launch.warden", *task.arguments(), env=env)

    def start_scheduler(self, *options: str) -> subprocess.Popen[bytes]:
        """A scheduler that is a child of ours."""
        return self.spawn("engine.launch.scheduler", "--foreground", *options, "--", *self.worker)

    def spawn(self, module: str, *arguments: str, env: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
        return self.run_command(sys.executable, "-P", "-m", module, *arguments, env=env)

    def run_command(self, *command: str, env: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=(self.home / "stderr").open("ab"),
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )
        self.children.append(child)
        return child

    def scheduler(self) -> psutil.Process | None:
        """The detached scheduler of this home."""
        for process in psutil.process_iter():
            try:
                words = process.cmdline()
                if "engine.launch.scheduler" in words and process.environ().get("ITOP_HOME") == str(self.home):
                    return process
            except psutil.Error:
                continue
        return None

    def ensure_scheduler(self) -> None:
        submit.ensure_scheduler(self.db, worker=self.worker)

    def kill_scheduler(self) -> None:
        """Kill the detached scheduler with -9 and wait until it is gone."""
        process = self.scheduler()
        assert process is not None
        process.send_signal(signal.SIGKILL)
        wait_for(lambda: not submit.scheduler_running(self.db), "the killed scheduler's lock to be free")

    @property
    def lock_file(self) -> Path:
        assert self.db.path is not None
        return lock_path(self.db.path)


def statuses(lab: Lab) -> dict[int, Any]:
    return {run.id: (run.status, run.reason) for run in runs.list_runs(lab.db)}
