"""What the tests of the app share: runs made by hand, readers of a store, the app over them, and waiting."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from textual.app import App
from textual.pilot import Pilot

from db.records import RunRecord, RunStatus
from engine.config.presets import PRESETS
from engine.config.run_config import RunConfig
from itop_tui.app import ItopApp
from itop_tui.new_run.new_run_screen import NewRunScreen
from itop_tui.poller import DatabaseReader, Snapshot, View
from itop_tui.runs.run_table import RunTable
from itop_tui.runs.runs_screen import RunsScreen
from tests.patience import PATIENCE

NOW = 1_772_000_000.0
"""The time at which the tests' clocks stand."""


@cache
def _config(preset: str) -> RunConfig:
    return PRESETS[preset].config()


def make_run(run_id: int, status: str = "completed", preset: str = "digits-rigl", **changes: Any) -> RunRecord:
    """A run as the database would give it, with some fields changed."""
    config = _config(preset)
    waiting = status == "queued"
    total = 1720
    made = RunRecord(
        id=run_id,
        uid=f"{run_id:012x}",
        name=f"{config.method.lower()} {run_id}",
        status=RunStatus(status),
        reason=None,
        exit_code=None,
        signal=None,
        config=config.as_dict(),
        tags=(),
        notes="",
        group=None,
        parent_id=None,
        start_checkpoint_id=None,
        fork_step=None,
        priority=0,
        held=False,
        model=config.model,
        data=config.data,
        method=config.method,
        seed=config.seed,
        target_density=config.density if config.sparse else None,
        created_at=NOW - 700 * run_id,
        queued_at=NOW - 700 * run_id,
        started_at=None if waiting else NOW - 690 * run_id,
        ended_at=NOW - 600 * run_id if RunStatus(status).is_terminal else None,
        heartbeat_at=NOW - 1 if RunStatus(status).is_active else None,
        step=0 if waiting else total,
        total_steps=total,
        epoch=0 if waiting else 40,
        total_epochs=40,
        loss=None if waiting else 0.0312,
        accuracy=None if waiting else 0.99,
        val_loss=None if waiting else 0.1,
        val_accuracy=None if waiting else 0.97,
        best_val_accuracy=None if waiting else 0.9 + run_id / 200,
        test_accuracy=0.9641 if status == "completed" else None,
        test_accuracy_last=0.9584 if status == "completed" else None,
        density=None if waiting else (config.density if config.sparse else 1.0),
        nonzeros=None if waiting else 13_310,
        itop_rate=None if waiting or not config.sparse else 0.3 + run_id / 100,
        death_rate=0.005,
        learning_rate=0.0005,
        samples_per_second=None if waiting else 9_200.0,
        training_flops=1e9,
        flops_ratio=None if waiting else 0.083,
        attempt_count=0 if waiting else 1,
        host=None if waiting else "workstation",
        device=None if waiting else "cpu",
        pid=None if waiting else 4242,
    )
    return replace(made, **changes)


def sample_runs() -> list[RunRecord]:
    """One run of each kind that is shown differently, newest first."""
    return [
        make_run(12, "queued", "digits-set"),
        make_run(11, "running", step=730, epoch=17, best_val_accuracy=0.9432, itop_rate=0.34),
        make_run(10, "starting", "digits-static", step=0, epoch=0, best_val_accuracy=None, loss=None),
        make_run(9, "paused", "digits-set", step=900),
        make_run(8, "stopping", "rigl-itop", step=61_000, total_steps=88_000),
        make_run(7, "completed", "digits-dense", name="dense baseline", tags=("paper",)),
        make_run(6, "stopped", step=1200, reason="stopped by user"),
        make_run(5, "failed", step=412, loss=math.nan, reason="the loss became NaN at step 412", exit_code=1),
        make_run(4, "killed", step=1000, reason="killed by SIGKILL", signal=9),
        make_run(3, "preempted", "rigl-itop-5x", step=100_000, total_steps=440_000, reason="time limit"),
        make_run(2, "lost", step=300, reason="the host was rebooted"),
        make_run(1, "running", step=600, heartbeat_at=NOW - 190),
    ]


class MemoryReader:
    """A store in memory: what a `DatabaseReader` is to the app, without a file.

    Attributes:
        delay: Seconds each call takes.
        failure: What each call raises, if anything.
        settled: How often runs were settled.
        unserved: What settling reports.
        gate: What each call waits for, if anything.
    """

    def __init__(self, runs: Sequence[RunRecord]) -> None:
        self._runs = list(runs)
        self._going: set[int] | None = None
        self._version = 1
        self._lock = threading.Lock()
        self.delay = 0.0
        self.failure: Exception | None = None
        self.gate: threading.Event | None = None
        self.settled = 0
        self.unserved: str | None = None

    def change(self, runs: Sequence[RunRecord]) -> None:
        """Commit other runs."""
        with self._lock:
            self._runs = list(runs)
            self._version += 1

    def _answer_late(self) -> None:
        time.sleep(self.delay)
        if self.gate is not None:
            assert self.gate.wait(PATIENCE), "the gate was never opened"
        if self.failure is not None:
            raise self.failure

    def version(self) -> int:
        self._answer_late()
        return self._version

    def read(self, view: View) -> Snapshot:
        self._answer_late()
        with self._lock:
            matching = [
                run for run in self._runs if view.text.lower() in f"{run.name} {run.method} {run.status}".lower()
            ]
            known = [run for run in matching if getattr(run, view.sort, run.step) is not None]
            known.sort(key=lambda run: getattr(run, view.sort, run.step), reverse=view.descending)
            ordered = known + [run for run in matching if getattr(run, view.sort, run.step) is None]
            going = self._going or set()
            self._going = {run.id for run in self._runs if not run.status.is_terminal}
            return Snapshot(
                view=view,
                runs=tuple(ordered[: view.limit]),
                matching=len(matching),
                total=len(self._runs),
                active=sum(run.status.is_active for run in self._runs),
                queued=sum(run.status == "queued" for run in self._runs),
                version=self._version,
                archived=sum(run.archived_at is not None for run in self._runs),
                ended=tuple(run for run in self._runs if run.id in going and run.status.is_terminal),
            )

    def settle(self) -> str | None:
        self.settled += 1
        return self.unserved


class NoDatabase:
    """Stands where a database would, for screens that are fed by a `MemoryReader`."""

    read_only: str | None = None

    path = Path("/home/you/.local/share/itop/itop.db")
    url = f"sqlite:///{path}"

    def close(self) -> None:
        pass


class FixedPlanner:
    """Plans that need no torch."""

    PLAN: Mapping[str, Any] = {
        "layers": [
            {"name": "fc1.weight", "shape": [300, 64], "density": 0.0446, "nonzeros": 857},
            {"name": "fc2.weight", "shape": [100, 300], "density": 0.0507, "nonzeros": 1522},
            {"name": "fc3.weight", "shape": [10, 100], "density": 0.1311, "nonzeros": 131},
        ],
        "parameters": 50_610,
        "maskable": 50_200,
        "nonzeros": 2510,
        "dense_forward_flops": 100_400,
        "forward_flops": 5020,
        "dense_training_flops": 8.4e11,
        "training_flops": 5.1e10,
        "steps": 1720,
        "mask_updates": 57,
        "expected_itop_rate": 0.648,
        "coverage": {"matrix_weights": 50_200, "dense_weights": 0, "dense_share": 0.0, "density": 0.05, "dense": []},
    }

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure
        self.asked: list[Any] = []

    def ask(self, config: Any) -> Mapping[str, Any]:
        self.asked.append(config)
        if self.failure is not None:
            raise self.failure
        return self.PLAN

    def close(self) -> None:
        pass


def memory_app(reader: MemoryReader, planner: FixedPlanner | None = None) -> ItopApp:
    """The app over a store in memory, its clock standing at `NOW`."""
    app = ItopApp(
        lambda: NoDatabase(),  # type: ignore[arg-type,return-value]
        reader=lambda database: reader,
        clock=lambda: NOW,
        planner=planner or FixedPlanner(),
    )
    app.animation_level = "none"
    return app


async def wait_for(
    pilot: Pilot[Any], condition: Callable[[], object], what: str = "a condition", seconds: float = PATIENCE
) -> None:
    """Let the app work until a condition holds; fails after `seconds`, or at once where the app has crashed."""
    deadline = time.monotonic() + seconds
    while not condition():
        if pilot.app._exception is not None:
            raise pilot.app._exception
        assert time.monotonic() < deadline, f"waited {seconds:g} s for {what}; the screen is:\n{screen_text(pilot.app)}"
        await asyncio.sleep(0.01)
    await pilot.pause()


class StillReader(DatabaseReader):
    """Reads the real database, and leaves runs as the test made them though they have no process."""

    def settle(self) -> None:
        """Leave the runs as they are."""


async def opened(pilot: Pilot[Any]) -> None:
    """Wait until the app has opened its database and read the list."""
    app = pilot.app
    assert isinstance(app, ItopApp)
    await wait_for(pilot, lambda: app.is_open and app.snapshot is not None, "the database to open")


def table_of(app: ItopApp) -> RunTable:
    """The list of runs, wherever it is on the stack."""
    for screen in app.screen_stack:
        if isinstance(screen, RunsScreen):
            return screen.table
    raise AssertionError("the list of runs is not open")


def list_of(app: ItopApp) -> RunsScreen:
    """The list of runs, which must be the screen on top."""
    assert isinstance(app.screen, RunsScreen)
    return app.screen


def screen_text(app: App[Any]) -> str:
    """The text on the screen."""
    width, height = app.size
    lines = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in line)[:width] for line in lines[:height])


async def started(pilot: Pilot[Any], runs: int) -> None:
    """Wait until the list shows so many runs."""
    app = pilot.app
    assert isinstance(app, ItopApp)
    await wait_for(pilot, lambda: app.snapshot is not None and len(table_of(app).rows) == runs)


def form_app(planner: FixedPlanner | None = None) -> ItopApp:
    """The app over one run of each kind, for the form of a new one."""
    return memory_app(MemoryReader(sample_runs()), planner)


def form_of(app: ItopApp) -> NewRunScreen:
    """The form, which must be the screen on top."""
    assert isinstance(app.screen, NewRunScreen)
    return app.screen


async def open_form(pilot: Pilot[Any]) -> NewRunScreen:
    """Open the form over the runs of `form_app`."""
    app = pilot.app
    assert isinstance(app, ItopApp)
    await started(pilot, 12)
    await pilot.press("n")
    await wait_for(pilot, lambda: isinstance(app.screen, NewRunScreen) and app.screen.focused)
    return form_of(app)
