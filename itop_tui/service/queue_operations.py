"""What the app does to the queue: plain functions of a database, called in thread workers, never on the event loop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from itop_tui.figures.format import plural
from itop_tui.service import sweeps
from itop_tui.service.operations import Outcome, each

if TYPE_CHECKING:
    from db.records import RunRecord
    from db.runs.queue import Direction
    from db.session import Database
    from engine.config.run_config import RunConfig

Where = Literal["queue", "front", "held"]
"""Where in the queue new runs are put."""

_MOST_SLOTS = 64


def queue(
    db: Database,
    config: RunConfig,
    *,
    name: str | None = None,
    tags: Sequence[str] = (),
    notes: str = "",
    group: str | None = None,
    priority: int = 0,
    **origin: Any,
) -> RunRecord:
    """Queue one run, with its length filled in where the data set's size is known.

    Args:
        db: Where.
        config: Its settings.
        name: Its name; without one the database makes one.
        tags: Its tags.
        notes: Its notes.
        group: The group it belongs to.
        priority: Runs of higher priority start first.
        **origin: For a fork: `parent_id`, `start_checkpoint_id` and `fork_step`.
    """
    from db.runs import runs
    from engine.config.experiments import as_stored

    return runs.create(
        db,
        **as_stored(config),
        name=name,
        tags=tuple(tags),
        notes=notes,
        group=group,
        priority=priority,
        total_steps=config.planned_steps() or 0,
        **origin,
    )


@dataclass(frozen=True, slots=True)
class Launched:
    """What was queued.

    Attributes:
        runs: The new runs, in order.
        wanted: How many were asked for: those that a group has already are not queued again.
        group: The group of a sweep.
        where: Where in the queue they are.
    """

    runs: tuple[RunRecord, ...]
    wanted: int
    group: str | None
    where: Where

    @property
    def told(self) -> str:
        """What was done, in a sentence."""
        state = {"queue": "queued", "front": "queued in front of all that wait", "held": "queued, and held"}[self.where]
        if self.group is None:
            run = self.runs[0]
            return f"Run {run.id} is {state}: {run.name}"
        there = self.wanted - len(self.runs)
        if not self.runs:
            return f"Nothing to queue: group {self.group} has all {plural(self.wanted, 'run')}."
        rest = f"; {there} of {self.wanted} were there already" if there else ""
        return f"{plural(len(self.runs), 'run')} {state} in group {self.group}{rest}."


def launch(
    db: Database,
    configs: Sequence[RunConfig],
    *,
    where: Where = "queue",
    name: str | None = None,
    group: str | None = None,
    tags: Sequence[str] = (),
    **origin: Any,
) -> Launched:
    """Queue a run, or those of a sweep that its group has not yet, and see to it that a scheduler is there.

    Args:
        db: The database.
        configs: Their settings.
        where: "queue" behind those that wait, at the "front" of all of them, or "held".
        name: The name of a single run.
        group: The group of a sweep; None for a single run.
        tags: Their tags.
        **origin: What `queue` takes of a fork.
    """
    from db.runs import runs
    from engine.launch import submit

    wanted = configs if group is None else sweeps.missing(db, group, configs)
    first = max((run.priority for run in runs.queued(db)), default=0) if where == "front" else 0
    made = [queue(db, one, name=name, group=group, tags=tags, priority=max(0, first), **origin) for one in wanted]
    ids = [run.id for run in made]
    if where == "held":
        hold(db, ids)
    elif made:
        if where == "front":
            move(db, ids, "top")
        submit.ensure_scheduler(db)
    return Launched(tuple(made), len(configs), group, where)


def move(db: Database, run_ids: Sequence[int], to: Direction) -> Outcome:
    """Move waiting runs in the queue, several as one block that keeps its order.

    Args:
        db: The database.
        run_ids: The runs.
        to: "top" or "bottom" of the runs of their priority, or one place "up" or "down".
    """
    from db.runs import runs

    order = runs.waiting(db)
    place = {run.id: position for position, run in enumerate(order)}
    downwards = to in ("down", "top")  # which of them goes first, so that none takes another one's place
    ordered = sorted(run_ids, key=lambda run_id: place.get(run_id, -1), reverse=downwards)
    if to in ("up", "down") and len(ordered) > 1:
        step = -1 if to == "up" else 1
        stuck: set[int] = set()
        for run_id in ordered:
            here = place.get(run_id)
            there = None if here is None else here + step
            if here is None or there is None:
                continue
            at_end = not 0 <= there < len(order) or order[there].priority != order[here].priority
            if at_end or order[there].id in stuck:
                stuck.add(run_id)
        ordered = [run_id for run_id in ordered if run_id not in stuck]
    return each(ordered, lambda run_id: runs.move(db, run_id, to))


def hold(db: Database, run_ids: Iterable[int]) -> Outcome:
    """Keep waiting runs from starting."""
    from db.runs import runs

    return each(run_ids, lambda run_id: runs.hold(db, run_id))


def release(db: Database, run_ids: Iterable[int]) -> Outcome:
    """Let held runs start when their turn comes, and see to it that a scheduler is there to start them."""
    from db.runs import runs
    from engine.launch import submit

    outcome = each(run_ids, lambda run_id: runs.release(db, run_id))
    if outcome.done:
        submit.ensure_scheduler(db)
    return outcome


def add_priority(db: Database, run_ids: Iterable[int], by: int) -> Outcome:
    """Raise the priority of waiting runs by a number, from what it is now."""
    from db.runs import runs

    return each(run_ids, lambda run_id: runs.set_priority(db, run_id, runs.get(db, run_id).priority + by))


def set_slots(db: Database, changes: Mapping[str, int]) -> dict[str, int]:
    """Let devices take so many runs at a time.

    Args:
        db: The database.
        changes: The numbers by device; 0 closes one.

    Returns:
        What is set now, by device.
    """
    from db import key_values

    chosen = {**key_values.get(db, "slots", {}), **changes}
    if changes:
        key_values.put(db, "slots", chosen)
    return chosen


def add_slots(db: Database, device: str, by: int) -> int:
    """Let a device take more runs at a time, or fewer, but at least none; gives back how many it takes now."""
    from db import key_values
    from engine.launch.placement import Limits

    now = Limits.of(key_values.get(db, "slots"), None).slots_of(device)
    wanted = max(0, min(_MOST_SLOTS, now + by))
    if wanted != now:
        set_slots(db, {device: wanted})
    return wanted
