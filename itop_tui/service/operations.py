"""What the app does to runs: plain functions of a database, called in thread workers, never on the event loop."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from db.records import CheckpointRecord, CommandKind, RunRecord
    from db.session import Database
    from itop_tui.runs.filter_line import Suggestion
    from itop_tui.runs.list_state import ListState


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


def launch(db: Database, config: Mapping[str, Any], *, name: str | None = None, tags: Sequence[str] = ()) -> RunRecord:
    """Queue a run and see to it that a scheduler is there to start it.

    Args:
        db: The database.
        config: A validated configuration.
        name: What to call it; None for a name of its own.
        tags: Its tags.
    """
    from engine.config.run_config import RunConfig
    from itop_tui.service import queue_operations

    return queue_operations.launch(db, [RunConfig.create(config)], name=name, tags=tags).runs[0]


def past_runs(db: Database) -> list[RunRecord]:
    """Every run that a new one may start from, the newest first."""
    from db.records import RunQuery
    from db.runs import runs

    return runs.list_runs(db, RunQuery(archived=None, limit=_PAST_RUNS))


def launch_demo(db: Database) -> list[RunRecord]:
    """Queue the demonstration: dense, SET-ITOP and RigL-ITOP on the bundled digits."""
    from engine.config.presets import PRESETS

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
    from db.runs import checkpoints, runs
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
    from db.runs import checkpoints

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
    from db.runs import commands

    return each(run_ids, lambda run_id: commands.send(db, run_id, "checkpoint"))


def pause(db: Database, run: RunRecord) -> CommandKind:
    """Pause a running run, or let a paused one go on; gives back which of the two was asked."""
    from db.runs import commands

    kind: CommandKind = "unpause" if run.status == "paused" else "pause"
    commands.send(db, run.id, kind)
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
    from db.records import RunQuery
    from db.runs import runs

    found: dict[int, RunRecord] = {}
    for start in range(0, len(run_ids), _A_QUERY):
        part = ",".join(map(str, run_ids[start : start + _A_QUERY]))
        query = RunQuery(text=f"id:{part}", archived=None, limit=None)
        found.update((run.id, run) for run in runs.list_runs(db, query))
    return tuple(found[run_id] for run_id in run_ids if run_id in found)


def saved_views(db: Database) -> tuple[ListState, ...]:
    """The views a person saved."""
    from db.finding import views
    from itop_tui.runs import list_state

    return tuple(map(list_state.from_view, views.views(db)))


def save_view(db: Database, state: ListState) -> None:
    """Save a view, in the place of one that has its name."""
    from db.finding import views
    from itop_tui.runs import list_state

    views.save(db, list_state.to_view(state))


def remove_view(db: Database, name: str) -> None:
    """Forget a saved view."""
    from db.finding import views

    views.remove(db, name)


def set_notes(db: Database, run_ids: Sequence[int], notes: str) -> Outcome:
    """Give runs these notes instead of theirs."""
    from db.runs import runs

    return each(run_ids, lambda run_id: runs.update_fields(db, run_id, notes=notes))


def rename(db: Database, names: Mapping[int, str]) -> Outcome:
    """Give runs other names, by their ids."""
    from db.runs import runs

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
    from db.runs import runs

    return each(run_ids, lambda run_id: runs.update_fields(db, run_id, tags=tuple(tags)))


def remember(db: Database, key: str, value: Any) -> None:
    """Keep something for the next start."""
    from db import key_values

    key_values.put(db, key, value)


def remembered(db: Database, key: str) -> dict[str, Any]:
    """What was kept under a key at an earlier start, under that key; empty where nothing was."""
    from db import key_values

    value = key_values.get(db, key)
    return {} if value is None else {key: value}


def suggestions(db: Database, text: str, caret: int) -> tuple[Suggestion, ...]:
    """What could be typed at the caret of a filter; nothing before a word is begun, when it could be anything."""
    from db.query import complete, known_values
    from itop_tui.runs import list_state

    if not text[:caret].strip() or text[:caret][-1:].isspace():
        return ()
    return list_state.suggestions(text, caret, complete(text, caret, lambda field: known_values(db, field)))


def loss_curve(db: Database, run_id: int, buckets: int) -> list[float]:
    """The loss over the steps of a run, decimated to about `buckets` columns, nothing cut off."""
    from db.history import metrics

    return list(metrics.series(db, run_id, "loss", buckets=buckets).values)


def loss_curves(db: Database, run_ids: Sequence[int], points: int) -> dict[int, tuple[float, ...]]:
    """The losses of several runs over their steps, each as at most so many numbers, by the run's id."""
    from db.history import metrics

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
