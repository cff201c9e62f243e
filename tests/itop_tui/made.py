"""Runs in a real database, as the tests of the list of runs need them."""

from __future__ import annotations

from db.paths import run_folder
from db.records import RunRecord, RunStatus
from db.runs import attempts, checkpoints, runs
from db.session import Database
from engine.config.experiments import as_stored
from engine.config.presets import PRESETS
from itop_tui.app import ItopApp

SIZE = (120, 40)


def create(database: Database, count: int = 3, **more: object) -> list[RunRecord]:
    """Queue some runs."""
    presets = ("digits-dense", "digits-set", "digits-rigl")
    return [
        runs.create(
            database,
            **as_stored(PRESETS[presets[index % 3]].config(seed=index)),
            name=f"run {presets[index % 3]} {index}",
            total_steps=100,
        )
        for index in range(count)
    ]


def seeds(database: Database, presets: tuple[str, ...] = ("digits-set", "digits-rigl"), count: int = 3) -> list[int]:
    """Queue runs that differ by the seed, for each of some presets."""
    return [
        runs.create(database, **as_stored(PRESETS[preset].config(seed=seed)), total_steps=100).id
        for preset in presets
        for seed in range(count)
    ]


def run_it(database: Database, run: RunRecord) -> None:
    """Make a queued run a running one."""
    attempt = runs.reserve(database, run.id, host="elsewhere", device="cpu", slots=9)
    assert attempt is not None
    attempts.running(
        database,
        attempt.id,
        pid=1,
        start_time=1.0,
        boot_id="b",
        versions={},
        commit=None,
        dirty=None,
        command_line=None,
    )


def end_it(database: Database, run: RunRecord, status: RunStatus = RunStatus.COMPLETED) -> None:
    """Make a queued run one that ran and ended."""
    run_it(database, run)
    finish(database, run, status)


def finish(database: Database, run: RunRecord, status: RunStatus = RunStatus.COMPLETED) -> None:
    """End a running run."""
    attempt = attempts.latest(database, run.id)
    assert attempt is not None
    attempts.finish(database, attempt.id, status=status, reason="done")


def add_checkpoint(database: Database, run: RunRecord, step: int = 40) -> int:
    """Give a run a checkpoint with a file."""
    attempt = attempts.latest(database, run.id)
    folder = run_folder(run.uid) / "checkpoints"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"step-{step:09d}-last.pt"
    path.write_bytes(b"0" * 2_500_000)
    return checkpoints.add(
        database,
        run_id=run.id,
        attempt_id=attempt.id if attempt and attempt.ended_at is None else None,
        step=step,
        epoch=1,
        kind="last",
        path=str(path),
        bytes=2_500_000,
        sha256="0" * 64,
        val_accuracy=None,
    ).id


def toasts(app: ItopApp) -> str:
    """All messages shown so far."""
    return "\n".join(note.message for note in app._notifications)


def reported(app: ItopApp, words: str) -> bool:
    """Whether a message with these words was shown."""
    return words in toasts(app)
