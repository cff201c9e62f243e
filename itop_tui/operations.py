"""What the app does to runs: plain functions of a database, called in thread workers, never on the event loop."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from db.records import CheckpointRecord, RunRecord
    from db.session import Database
    from itop_tui.list_state import ListState
    from itop_tui.widgets.filter_line import Suggestion


_PAST_RUNS = 2000
"""The most past runs that are offered as a start, the newest."""
_A_QUERY = 400
"""The most runs one query names."""


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


def launch(db: Database, config: Mapping[str, Any], *, name: str | None = None, tags: Sequence[str] = ()) -> RunRecord:
    """Queue a run and see to it that a scheduler is there to start it.

    Args:
        db: The database.
        config: A validated configuration.
        name: What to call it; None for a name of its own.
        tags: Its tags.
    """
    from engine.config import RunConfig
    from itop_tui import queue_operations

    return queue_operations.launch(db, [RunConfig.create(config)], name=name, tags=tags).runs[0]


def past_runs(db: Database) -> list[RunRecord]:
    """Every run that a new one may start from, the newest first."""
    from db import runs
    from db.records import RunQuery

    return runs.list_runs(db, RunQuery(archived=None, limit=_PAST_RUNS))


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

    start: int | None = None
    if checkpoints.for_run(db, run_id):
        start = checkpoints.pick(db, run_id, which).id
    else:  # a fork that has not written one yet goes on from its parent's
        start = runs.get(db, run_id).start_checkpoint_id
    run = runs.requeue_resume(db, run_id, start)
    submit.ensure_scheduler(db)
    return run


def last_checkpoint(db: Database, run_id: int) -> CheckpointRecord | None:
    """The checkpoint a fork starts from unless another is chosen; None where the run has none."""
    from db import checkpoints

    return checkpoints.pick(db, run_id, "last") if checkpoints.for_run(db, run_id) else None


def stop(db: Database, run_ids: Iterable[int]) -> Outcome:
    """Ask runs to write a checkpoint and end."""
    from engine.launch import submit

    return each(run_ids, lambda run_id: submit.stop(db, run_id))


def kill(db: Database, run_ids: Iterable[int]) -> Outcome:
    """End the processes of runs at once."""
    from engine.launch import submit

    return each(run_ids, lambda run_id: submit.kill(db, run_id))


def checkpoint_now(db: Database, run_ids: Iterable[int]) -> Outcome:
    """Ask runs to write a checkpoint between two steps, and to go on."""
    from db import commands

    return each(run_ids, lambda run_id: commands.send(db, run_id, "checkpoint"))


def pause(db: Database, run: RunRecord) -> str:
    """Pause a running run, or let a paused one go on; gives back which of the two was asked."""
    from db import commands

    kind = "unpause" if run.status == "paused" else "pause"
    commands.send(db, run.id, kind)  # type: ignore[arg-type]
    return kind


def pause_all(db: Database, runs: Iterable[RunRecord]) -> Outcome:
    """Pause runs, or let paused ones go on."""
    by_id = {run.id: run for run in runs}
    return each(by_id, lambda run_id: pause(db, by_id[run_id]))


def resume_all(db: Database, run_ids: Iterable[int]) -> Outcome:
    """Queue runs that have ended to go on from their last checkpoints."""
    return each(run_ids, lambda run_id: resume(db, run_id))


def launch_copies(db: Database, runs: Iterable[RunRecord]) -> list[RunRecord]:
    """Queue a copy of each run, the oldest first: the same settings, from the beginning."""
    return [launch(db, run.config, tags=run.tags) for run in sorted(runs, key=lambda run: run.id)]


def read(db: Database, run_ids: Sequence[int]) -> tuple[RunRecord, ...]:
    """The runs with these ids that are still there, in this order."""
    from db import runs
    from db.records import RunQuery

    found: dict[int, RunRecord] = {}
    for start in range(0, len(run_ids), _A_QUERY):
        part = ",".join(map(str, run_ids[start : start + _A_QUERY]))
        query = RunQuery(text=f"id:{part}", archived=None, limit=None)
        found.update((run.id, run) for run in runs.list_runs(db, query))
    return tuple(found[run_id] for run_id in run_ids if run_id in found)


def star(db: Database, run_ids: Sequence[int], on: bool) -> Outcome:
    """Give runs a star, or take it away."""
    from db import shelf

    shelf.star(db, run_ids, on=on)
    return Outcome(tuple(run_ids), ())


def archive(db: Database, run_ids: Sequence[int], on: bool) -> Outcome:
    """Put runs away, or bring them back."""
    from db import shelf

    shelf.archive(db, run_ids, on=on)
    return Outcome(tuple(run_ids), ())


def trash(db: Database, run_ids: Sequence[int]) -> Outcome:
    """Delete runs so that it can be taken back: nothing lists them any more."""
    from db import shelf

    tried = shelf.trash(db, run_ids)
    done = tuple(each.run_id for each in tried if each.problem is None)
    return Outcome(done, tuple(each.problem for each in tried if each.problem is not None))


def restore(db: Database, run_ids: Sequence[int]) -> Outcome:
    """Take a deletion back."""
    from db import shelf

    shelf.restore(db, run_ids)
    return Outcome(tuple(run_ids), ())


def trashed(db: Database) -> tuple[int, ...]:
    """The runs that were deleted and can be taken back."""
    from db import shelf

    return tuple(run.id for run in shelf.trashed(db))


def purge(db: Database) -> list[str]:
    """Forget all deleted runs for good, with everything written of them, and give the disk space back.

    Returns:
        What could not be removed.
    """
    from db import shelf

    left: list[str] = []
    purged = 0
    for gone in shelf.purge(db):
        left += remove(gone)
        purged += 1
    if purged:
        give_back_space(db)
    return left


def give_back_space(db: Database) -> int:
    """Make the database's file shorter by what was deleted from it; returns by how many bytes.

    Where others keep it too busy, the space is used for new rows, or given back with the next deletion.
    """
    from db.errors import DatabaseUnavailable

    try:
        return db.give_back_space()
    except DatabaseUnavailable:
        return 0


def saved_views(db: Database) -> tuple[ListState, ...]:
    """The views a person saved."""
    from db import views
    from itop_tui import list_state

    return tuple(map(list_state.from_view, views.views(db)))


def save_view(db: Database, state: ListState) -> None:
    """Save a view, in the place of one that has its name."""
    from db import views
    from itop_tui import list_state

    views.save(db, list_state.to_view(state))


def remove_view(db: Database, name: str) -> None:
    """Forget a saved view."""
    from db import views

    views.remove(db, name)


def set_notes(db: Database, run_ids: Sequence[int], notes: str) -> Outcome:
    """Give runs these notes instead of theirs."""
    from db import runs

    return each(run_ids, lambda run_id: runs.update_fields(db, run_id, notes=notes))


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
    """Add up what the folders of runs hold. A file with two names counts once: the last and the best may share one."""
    from db.paths import run_folder

    total = checkpoints = 0
    seen: set[tuple[int, int]] = set()
    for uid in uids:
        for path in run_folder(uid).rglob("*"):
            if path.is_file() and not path.is_symlink():
                status = path.stat()
                if (status.st_dev, status.st_ino) not in seen:
                    seen.add((status.st_dev, status.st_ino))
                    total += status.st_size
                checkpoints += path.suffix == ".pt"
    return Footprint(total, checkpoints)


def rename(db: Database, names: Mapping[int, str]) -> Outcome:
    """Give runs other names, by their ids."""
    from db import runs

    return each(names, lambda run_id: runs.update_fields(db, run_id, name=names[run_id]))


def pattern_name(pattern: str, run: RunRecord) -> str:
    """A name made from a pattern: `{seed}` and other fields in braces become what they are for this run.

    Braces around anything else stay as they are.
    """
    density = "dense" if run.method == "dense" or run.target_density is None else f"{run.target_density:g}"
    values = {
        "name": run.name,
        "id": run.id,
        "seed": run.seed,
        "method": run.method,
        "density": density,
        "model": run.model,
        "data": run.data,
    }
    return re.sub(r"\{(\w+)\}", lambda found: str(values.get(found[1], found[0])), pattern).strip()


def set_tags(db: Database, run_ids: Iterable[int], tags: Sequence[str]) -> Outcome:
    """Give runs these tags instead of theirs."""
    from db import runs

    return each(run_ids, lambda run_id: runs.update_fields(db, run_id, tags=tuple(tags)))


def remember(db: Database, key: str, value: Any) -> None:
    """Keep something for the next start."""
    from db import settings

    settings.put(db, key, value)


def remembered(db: Database, key: str) -> dict[str, Any]:
    """What was kept under a key at an earlier start, under that key; empty where nothing was."""
    from db import settings

    value = settings.get(db, key)
    return {} if value is None else {key: value}


def suggestions(db: Database, text: str, caret: int) -> tuple[Suggestion, ...]:
    """What could be typed at the caret of a filter; nothing before a word is begun, when it could be anything."""
    from db.query import complete, known_values
    from itop_tui import list_state

    if not text[:caret].strip() or text[:caret][-1:].isspace():
        return ()
    return list_state.suggestions(text, caret, complete(text, caret, lambda field: known_values(db, field)))


def loss_curve(db: Database, run_id: int, buckets: int) -> list[float]:
    """The loss over the steps of a run, decimated to about `buckets` columns, nothing cut off."""
    from db import metrics

    return list(metrics.series(db, run_id, "loss", buckets=buckets).values)


def loss_curves(db: Database, run_ids: Sequence[int], points: int) -> dict[int, tuple[float, ...]]:
    """The losses of several runs over their steps, each as at most so many numbers, by the run's id."""
    from db import metrics

    return {run_id: tuple(values) for run_id, values in metrics.sparks(db, run_ids, "loss", points).items()}


def each(run_ids: Iterable[int], what: Callable[[int], object]) -> Outcome:
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
