"""What the app does to runs: plain functions of a database, called in thread workers, never on the event loop."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from db.records import CheckpointRecord, RunRecord
    from db.session import Database


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of doing one thing to several runs.

    Attributes:
        done: The runs it was done to.
        problems: A sentence for each run it could not be done to.
    """

    done: tuple[int, ...]
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Footprint:
    """What a run takes on the disk.

    Attributes:
        bytes: Of its folder, checkpoints and log together.
        checkpoints: How many it has.
    """

    bytes: int
    checkpoints: int


def launch(
    db: Database,
    config: Mapping[str, Any],
    *,
    name: str | None = None,
    tags: Sequence[str] = (),
    parent: RunRecord | None = None,
    checkpoint: CheckpointRecord | None = None,
) -> RunRecord:
    """Queue a run and see to it that a scheduler is there to start it.

    Args:
        db: The database.
        config: A validated configuration.
        name: What to call it; None for a name of its own.
        tags: Its tags.
        parent: The run it is forked from.
        checkpoint: The checkpoint of `parent` it starts from.
    """
    from db import runs
    from engine.config import RunConfig
    from engine.launch import submit

    run = runs.create(
        db,
        config=config,
        name=name,
        tags=tuple(tags),
        parent_id=parent.id if parent else None,
        start_checkpoint_id=checkpoint.id if checkpoint else None,
        fork_step=checkpoint.step if checkpoint else None,
        total_steps=RunConfig.create(config).planned_steps() or 0,
    )
    submit.ensure_scheduler(db)
    return run


def launch_demo(db: Database) -> list[RunRecord]:
    """Queue the demonstration: dense, SET-ITOP and RigL-ITOP on the bundled digits."""
    from engine.presets import PRESETS

    return [
        launch(db, PRESETS[name].config().as_dict(), name=f"demo {title}", tags=("demo",))
        for name, title in (("digits-dense", "dense"), ("digits-set", "SET-ITOP"), ("digits-rigl", "RigL-ITOP"))
    ]


def start_scheduler(db: Database) -> None:
    """See to it that a scheduler is there to start what is queued."""
    from engine.launch import submit

    submit.ensure_scheduler(db)


def resume(db: Database, run_id: int, which: str = "last") -> RunRecord:
    """Queue a run that has ended to go on from a checkpoint; from scratch where it has none.

    Args:
        db: The database.
        run_id: The run.
        which: "last", "best", or the id of a checkpoint.
    """
    from db import checkpoints, runs
    from engine.launch import submit

    has_any = bool(checkpoints.for_run(db, run_id))
    checkpoint = checkpoints.pick(db, run_id, which) if has_any else None
    run = runs.requeue_resume(db, run_id, checkpoint.id if checkpoint else None)
    submit.ensure_scheduler(db)
    return run


def last_checkpoint(db: Database, run_id: int) -> CheckpointRecord | None:
    """The checkpoint a fork starts from unless another is chosen; None where the run has none."""
    from db import checkpoints

    return checkpoints.pick(db, run_id, "last") if checkpoints.for_run(db, run_id) else None


def stop(db: Database, run_ids: Iterable[int]) -> Outcome:
    """Ask runs to write a checkpoint and end."""
    from engine.launch import submit

    return _each(run_ids, lambda run_id: submit.stop(db, run_id))


def kill(db: Database, run_ids: Iterable[int]) -> Outcome:
    """End the processes of runs at once."""
    from engine.launch import submit

    return _each(run_ids, lambda run_id: submit.kill(db, run_id))


def pause(db: Database, run: RunRecord) -> str:
    """Pause a running run, or let a paused one go on; gives back which of the two was asked."""
    from db import commands

    kind = "unpause" if run.status == "paused" else "pause"
    commands.send(db, run.id, kind)  # type: ignore[arg-type]
    return kind


def delete(db: Database, run_ids: Iterable[int]) -> Outcome:
    """Delete runs with everything that was recorded and written of them."""
    from db import runs

    left: list[str] = []
    outcome = _each(run_ids, lambda run_id: left.extend(remove(runs.delete(db, run_id))))
    return Outcome(outcome.done, (*outcome.problems, *left))


def remove(paths: Iterable[str]) -> list[str]:
    """Remove the folders and files of deleted runs, as much as can be; says of each that stays why it does."""
    problems: list[str] = []
    for path in map(Path, paths):
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        except OSError as error:
            shutil.rmtree(path, ignore_errors=True)
            where = error.filename if isinstance(error.filename, str) else path.name
            problems.append(
                f"{path} is nobody's now but could not be removed; remove it by hand. "
                f"({where}: {error.strerror or error})"
            )
    return problems


def footprint(uids: Iterable[str]) -> Footprint:
    """Add up what the folders of runs hold."""
    from db.paths import run_folder

    total = checkpoints = 0
    for uid in uids:
        for path in run_folder(uid).rglob("*"):
            if path.is_file() and not path.is_symlink():
                total += path.stat().st_size
                checkpoints += path.suffix == ".pt"
    return Footprint(total, checkpoints)


def rename(db: Database, run_id: int, name: str) -> None:
    """Give a run another name."""
    from db import runs

    runs.update_fields(db, run_id, name=name)


def set_tags(db: Database, run_ids: Iterable[int], tags: Sequence[str]) -> Outcome:
    """Give runs these tags instead of theirs."""
    from db import runs

    return _each(run_ids, lambda run_id: runs.update_fields(db, run_id, tags=tuple(tags)))


def loss_curve(db: Database, run_id: int, buckets: int) -> list[float]:
    """The loss over the steps of a run, decimated to about `buckets` columns, nothing cut off."""
    from db import metrics

    return list(metrics.series(db, run_id, "loss", buckets=buckets).values)


def _each(run_ids: Iterable[int], what: Callable[[int], object]) -> Outcome:
    """Do something to each run; a failure of one does not keep it from the others."""
    from db.errors import StoreError

    done: list[int] = []
    problems: list[str] = []
    for run_id in run_ids:
        try:
            what(run_id)
        except (StoreError, OSError) as error:
            problems.append(str(error))
        else:
            done.append(run_id)
    return Outcome(tuple(done), tuple(problems))
