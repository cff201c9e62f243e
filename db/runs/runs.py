"""Runs: creating, finding, listing, reserving a device for, resuming and deleting them."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.errors import IllegalState, StoreError
from db.finding.listing import SORTS, check_sort, count, find, list_runs, page, totals
from db.history import tested
from db.history.cut_back import truncate
from db.models import RUN_METRICS, AttemptRow, CheckpointRow, DeviceClaimRow, RunRow
from db.records import (
    ACTIVE,
    AttemptRecord,
    BatchResult,
    CodeFile,
    Host,
    RunQuery,
    RunRecord,
    RunStatus,
    StartsAfter,
    Where,
)
from db.rows import attempt_record, get_checkpoint, get_run, get_runs, run_record
from db.runs import changes as config_changes
from db.runs import code, dense_matrices, dependencies, run_owners, saved_files
from db.runs.change_many import change_each
from db.runs.checkpoint_places import inner_path
from db.runs.facets import Experiment, clean_config, clean_name, clean_tags, default_name, facets
from db.runs.forks import check_deletable
from db.runs.hosts import named, on_machine
from db.runs.queue import (
    HELD_BY_USER,
    hold,
    hold_many,
    how_many_wait,
    move,
    move_many,
    places,
    places_in_front,
    queued,
    release,
    release_many,
    set_priority,
    waiting,
)
from db.runs.removal import Remains
from db.runs.silence import advice
from db.session import Database

__all__ = [
    "SORTS",
    "NewRun",
    "RunQuery",
    "active",
    "check_sort",
    "count",
    "create",
    "create_many",
    "delete",
    "find",
    "get",
    "get_many",
    "hold",
    "hold_many",
    "how_many_wait",
    "list_runs",
    "move",
    "move_many",
    "page",
    "places",
    "queued",
    "release",
    "release_many",
    "requeue_resume",
    "reserve",
    "set_priority",
    "submission",
    "totals",
    "update_fields",
    "update_many",
    "waiting",
]

_RESULTS = ("best_val_accuracy", "test_accuracy", "test_accuracy_last", "training_flops", "flops_ratio")
"""What was measured of a run, and is replaced only by a newer measurement."""
_EDITABLE = frozenset({"name", "tags", "notes", "group", "priority", "held", "total_steps", "total_epochs"})


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRun:
    """A run that is to be queued.

    Attributes:
        config: The whole configuration, as JSON values.
        experiment: Its method and recipe, as `engine.config.experiments` gives them.
        name: What people call it; by default made of model, data set, method, density and seed. Need not be unique.
        tags: Short words to find it by; blanks around them and repetitions are dropped.
        notes: Any text.
        group: The sweep or experiment it belongs to.
        parent_id: The run it was forked from.
        start_checkpoint_id: The checkpoint it starts from; None starts from the first step.
        fork_step: The parent's step at which it was forked.
        priority: Larger starts earlier.
        total_steps: The optimizer steps it will take, where that is known.
        starts_after: The runs that must have ended before it starts.
        code: The user's code that it was queued with.
    """

    config: Mapping[str, Any]
    experiment: Experiment | None = None
    name: str | None = None
    tags: Iterable[str] = ()
    notes: str = ""
    group: str | None = None
    parent_id: int | None = None
    start_checkpoint_id: int | None = None
    fork_step: int | None = None
    priority: int = 0
    total_steps: int = 0
    starts_after: StartsAfter = field(default_factory=StartsAfter)
    code: Sequence[CodeFile] = ()


def create(
    db: Database, *, where: Where = "queue", submission: Mapping[str, Any] | None = None, **values: Any
) -> RunRecord:
    """Queue a new run.

    Args:
        db: The database.
        where: Where in the queue.
        submission: Where it was submitted; see `create_many`.
        **values: What `NewRun` takes.

    Raises:
        RunNotFound: There is no run `parent_id`, or none of those that it starts after.
        StoreError: There is no such checkpoint, the name is blank, the configuration is not JSON, or what it starts
            after will not complete.
    """
    return create_many(db, [NewRun(**values)], where=where, submission=submission)[0]


def create_many(
    db: Database, new: Sequence[NewRun], *, where: Where = "queue", submission: Mapping[str, Any] | None = None
) -> list[RunRecord]:
    """Queue new runs, all in one transaction: a scheduler sees all of them, each in its place, or none.

    Args:
        db: The database.
        new: The runs, in the order in which they are to start.
        where: "queue" behind those that wait; "front" before all that may start, with the largest priority among
            those, instead of its own; "held" by user.
        submission: Where they were submitted: the folder, and the variables that affect a training, as
            `engine.launch.submit.submission` gives them.

    Raises:
        RunNotFound: There is no run `parent_id`, or none of those that a run starts after.
        StoreError: There is no such checkpoint, a name is blank, a configuration is not JSON, or what a run starts
            after will not complete. Nothing was queued.
    """
    with db.write() as session:
        changes: list[dict[str, Any]] = [{} for _ in new]
        if where == "held":
            changes = [{"held": True, "reason": HELD_BY_USER} for _ in new]
        elif where == "front":
            changes = [
                {"priority": priority, "position": place} for priority, place in places_in_front(db, session, len(new))
            ]
        common = {"queued_at": time.time(), "submission": _as_text(submission)}
        rows = [_row(session, one, common | change) for one, change in zip(new, changes, strict=True)]
        session.add_all(rows)
        session.flush()
        dependencies.add_new(session, {row.id: one.starts_after for row, one in zip(rows, new, strict=True)})
        for row, one in zip(rows, new, strict=True):
            code.keep_queued(db, session, row, one.code)
        return [run_record(row) for row in rows]


def _row(session: Session, new: NewRun, changes: Mapping[str, Any]) -> RunRow:
    if new.parent_id is not None:
        get_run(session, new.parent_id)
    if new.start_checkpoint_id is not None:
        get_checkpoint(session, new.start_checkpoint_id)
    config = clean_config(new.config)
    values: dict[str, Any] = {
        "uid": secrets.token_hex(6),
        "name": default_name(config, new.experiment) if new.name is None else clean_name(new.name),
        "status": RunStatus.QUEUED,
        "config": config,
        "tags": clean_tags(new.tags),
        "notes": new.notes,
        "group": new.group,
        "parent_id": new.parent_id,
        "start_checkpoint_id": new.start_checkpoint_id,
        "fork_step": new.fork_step,
        "fork_checkpoint_id": new.start_checkpoint_id if new.parent_id is not None else None,
        "priority": new.priority,
        "total_steps": new.total_steps,
        "created_at": changes["queued_at"],
        **facets(config, new.experiment),
    }
    return RunRow(**(values | dict(changes)))


def submission(db: Database, run_id: int) -> dict[str, Any] | None:
    """Where a run was submitted, as it was given when it was queued; None where it was not.

    Raises:
        RunNotFound: There is no such run.
    """
    with db.read() as session:
        written = get_run(session, run_id).submission
    return None if written is None else dict(json.loads(written))


def _as_text(submission: Mapping[str, Any] | None) -> str | None:
    return None if submission is None else json.dumps(submission)


def get(db: Database, run_id: int) -> RunRecord:
    """The run with this id.

    Raises:
        RunNotFound: There is none.
    """
    with db.read() as session:
        return run_record(get_run(session, run_id))


def get_many(db: Database, run_ids: Iterable[int]) -> list[RunRecord]:
    """The runs with these ids, in this order; those that are not there, or in the trash, are left out."""
    wanted = tuple(run_ids)
    with db.read() as session:
        found = get_runs(session, wanted)
        return [run_record(found[run_id]) for run_id in wanted if run_id in found and not found[run_id].trashed_at]


def active(db: Database, host: Host | str | None = None) -> list[RunRecord]:
    """The runs that should have a process, on one machine or on all, by id."""
    statement = sa.select(RunRow).where(RunRow.status.in_(ACTIVE)).order_by(RunRow.id)
    if host is not None:
        here = sa.select(AttemptRow.run_id).where(AttemptRow.ended_at.is_(None), on_machine(host))
        statement = statement.where(RunRow.id.in_(here))
    with db.read() as session:
        return [run_record(row) for row in session.scalars(statement)]


def reserve(
    db: Database,
    run_id: int,
    *,
    host: Host | str,
    device: str | Sequence[str],
    slots: int | Mapping[str, int],
    launched: bool | None = None,
    prepare: Callable[[int], object] | None = None,
) -> AttemptRecord | None:
    """Start a new attempt of a queued run on a device that has room, or on several that all have, in one transaction.

    The run becomes starting. What it recorded after the step it starts from is deleted: all of it, where it starts from
    the beginning or from another run's checkpoint. Its results stay until there are new ones.

    Args:
        db: The database.
        run_id: The run.
        host: The host that will run it; its name, where nothing else is known.
        device: The device, as torch names it; or several, each of which it holds until it has ended.
        slots: How many runs a device may have at once; for several devices a number for each, or one for all.
        launched: Whether it has a process already; else one is started by who gets it from `attempts.launch`.
        prepare: Called with the attempt's number, before others can see the attempt.

    Returns:
        The attempt; None where the run is not waiting any more (or held, or gone), or waits for other runs, or a device
        is full. Its `device` names several with commas between.
    """
    devices = tuple(dict.fromkeys([device] if isinstance(device, str) else device))
    if not devices:
        raise StoreError(f"Run {run_id} cannot be started on no device at all.")
    place = named(host)
    with db.write() as session:
        for name in sorted(devices):  # in one order, so that no two wait for each other
            db.exclusive(session, f"itop device {place.boot_id or place.name} {name}")
        run = session.get(RunRow, run_id, with_for_update=True)
        if run is None or run.status != RunStatus.QUEUED or run.held or run.trashed_at is not None:
            return None
        if dependencies.waits(session, run.id):
            return None
        taken = _occupied(session, place, devices)
        if any(taken.get(name, 0) >= (slots if isinstance(slots, int) else slots[name]) for name in devices):
            return None
        now = time.time()
        start_step, start_epoch = _rewind(session, run)
        dependencies.started(session, run.id)
        run.attempt_count += 1
        held = ",".join(devices)
        attempt = AttemptRow(
            run_id=run.id,
            number=run.attempt_count,
            host=place.name,
            device=held,
            boot_id=place.boot_id,
            machine_id=place.machine_id,
            pid_namespace=place.pid_namespace,
            home=place.home,
            started_at=now,
            started_uptime=place.uptime,
            launched=launched,
            status=RunStatus.STARTING,
            start_step=start_step,
            versions={},
        )
        session.add(attempt)
        session.flush()
        session.add_all(DeviceClaimRow(attempt_id=attempt.id, device=name) for name in devices)
        run.status, run.reason = RunStatus.STARTING, None
        run.host, run.device, run.pid = place.name, held, None
        run.step, run.epoch = start_step, start_epoch
        run.started_at = run.started_at or now
        run.heartbeat_at = now
        session.flush()
        if prepare is not None:
            prepare(attempt.number)
        return attempt_record(attempt)


def _occupied(session: Session, host: Host, devices: Sequence[str]) -> dict[str, int]:
    """How many open attempts of a machine hold each of some devices."""
    statement = (
        sa.select(DeviceClaimRow.device, sa.func.count())
        .join(AttemptRow, AttemptRow.id == DeviceClaimRow.attempt_id)
        .where(AttemptRow.ended_at.is_(None), on_machine(host), DeviceClaimRow.device.in_(devices))
        .group_by(DeviceClaimRow.device)
    )
    return {str(name): int(number) for name, number in session.execute(statement)}


def requeue_resume(
    db: Database,
    run_id: int,
    checkpoint_id: int | None,
    config: Mapping[str, Any] | None = None,
    *,
    experiment: Experiment | None = None,
    total_steps: int | None = None,
    reason: str | None = None,
    submission: Mapping[str, Any] | None = None,
    starts_after: StartsAfter | None = None,
    files: Sequence[CodeFile] = (),
) -> RunRecord:
    """Queue a run that has ended, to resume from a checkpoint or, with None, to begin again.

    What it recorded stays until the attempt starts. What it started after the last time does not matter any more.

    Args:
        db: The database.
        run_id: The run.
        checkpoint_id: Where to resume from.
        config: A changed configuration; None keeps the old one. `db.runs.changes` keeps what it changes.
        experiment: The changed configuration's method and recipe.
        total_steps: The optimizer steps it will take, where they change and are known.
        reason: Why it waits again, where no person asked for it.
        submission: Where this was asked for; a run keeps the place of its first submission where that was this user's.
        starts_after: The runs that must have ended before it starts.
        files: The user's code that it is queued with.

    Raises:
        IllegalState: The run has not ended, or is in the trash, or cannot start after one of the others.
        RunNotFound: There is none of those that it is to start after.
        StoreError: There is no such checkpoint, or it is neither this run's nor the one it was forked from.
    """
    with db.write() as session:
        run = get_run(session, run_id, lock=True)
        if run.trashed_at is not None:
            raise IllegalState(f"Run {run.id} ({run.name}) was deleted; restore it first.")
        if not run.status.is_terminal:
            hint = advice(run, time.time())
            raise IllegalState(
                f"Run {run.id} ({run.name}) is {run.status}; only a run that has ended can be resumed.{hint}"
            )
        if checkpoint_id is not None:
            checkpoint = get_checkpoint(session, checkpoint_id)
            if checkpoint.run_id not in (run.id, run.parent_id):
                raise StoreError(
                    f"Checkpoint {checkpoint_id} belongs to run {checkpoint.run_id}; fork that run to start from it."
                )
        dependencies.replace(db, session, run, starts_after or StartsAfter())
        run.status = RunStatus.QUEUED
        run.queued_at, run.position = time.time(), None
        run.held, run.start_failures = False, 0
        run.start_checkpoint_id = checkpoint_id
        run.reason = reason
        run.submission = run_owners.submitted_again(db, run.submission, submission)
        run.exit_code = run.signal = run.ended_at = run.pid = None
        if checkpoint_id is None:
            run.started_at = None
        if total_steps is not None:
            run.total_steps = total_steps
        if config is not None:
            config_changes.note(session, run, clean_config(config))
            run.config = clean_config(config)
            for name, value in facets(run.config, experiment).items():
                setattr(run, name, value)
        session.flush()
        code.keep_queued(db, session, run, files)
        return run_record(run)


def update_fields(db: Database, run_id: int, **fields: Any) -> RunRecord:
    """Change what people may change of a run: name, tags, notes, group, priority, held, total_steps, total_epochs.

    Raises:
        RunNotFound: There is no such run.
        StoreError: Another field was named, or the name is blank.
    """
    cleaned = _clean_fields(fields)
    with db.write() as session:
        run = get_run(session, run_id, lock=True)
        _set_fields(run, cleaned)
        session.flush()
        return run_record(run)


def update_many(db: Database, fields: Mapping[int, Mapping[str, Any]]) -> BatchResult:
    """Change what people may change of several runs, in one transaction.

    Args:
        db: The database.
        fields: For each run, by its id, the fields of `update_fields`.
    """
    return change_each(db, fields, lambda _, run: _set_fields(run, _clean_fields(fields[run.id])))


def _clean_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    unknown = sorted(set(fields) - _EDITABLE)
    if unknown:
        allowed = ", ".join(sorted(_EDITABLE))
        raise StoreError(f"The field {unknown[0]!r} of a run cannot be edited. Allowed: {allowed}.")
    cleaned = dict(fields)
    if "name" in cleaned:
        cleaned["name"] = clean_name(cleaned["name"])
    if "tags" in cleaned:
        cleaned["tags"] = clean_tags(cleaned["tags"])
    return cleaned


def _set_fields(run: RunRow, fields: Mapping[str, Any]) -> None:
    for name, value in fields.items():
        setattr(run, name, value)


def delete(db: Database, run_id: int, *, force: bool = False, only_trashed: bool = False) -> Remains:
    """Delete a run and all it recorded.

    Args:
        db: The database.
        run_id: The run.
        force: Also where other runs were forked from it; they lose their parent.
        only_trashed: Only while it is in the trash, from which another program may restore it at any moment.

    Returns:
        Its folder, and the files outside of it that its checkpoints name, for `removal.remove`.

    Raises:
        IllegalState: The run is active, or other runs were forked from it, or wait to start from it, or it is not in
            the trash and `only_trashed` asks for that.
    """
    with db.write() as session:
        run = get_run(session, run_id, lock=True)
        if only_trashed and run.trashed_at is None:
            raise IllegalState(f"Run {run.id} ({run.name}) is not in the trash.")
        check_deletable(session, run, force=force)
        uid = run.uid
        files = session.scalars(sa.select(CheckpointRow.path).where(CheckpointRow.run_id == run.id).distinct())
        outside = tuple(sorted(path for path in files if inner_path(path) is None))
        config_changes.forget(session, run.id)
        tested.forget(session, run.id)
        saved_files.forget(session, run.id)
        code.forget(db, session, run.id)
        dense_matrices.forget(session, run.id)
        session.execute(sa.delete(RunRow).where(RunRow.id == run.id))
    return Remains(uid, outside, folder=True)


def _rewind(session: Session, run: RunRow) -> tuple[int, int]:
    """Cut the history to where the run starts from; returns that step and epoch.

    A result that was measured stays until there is a newer one. Where nothing was recorded after the checkpoint, all
    that is known of the run stays as it is: an attempt that ends before its first step changes nothing.
    """
    checkpoint = session.get(CheckpointRow, run.start_checkpoint_id) if run.start_checkpoint_id else None
    own = checkpoint is not None and checkpoint.run_id == run.id
    after = checkpoint.step if checkpoint and own else -1
    tested.keep(session, run)
    before = {name: getattr(run, name) for name in (*RUN_METRICS.names, "nonfinite", "nonzeros", "metrics")}
    nothing_cut, known = after >= run.step, RUN_METRICS.decode(dict(before))
    truncate(session, run, after)
    if nothing_cut:
        for name, value in before.items():
            setattr(run, name, value)
    else:
        left = RUN_METRICS.decode({name: getattr(run, name) for name in (*RUN_METRICS.names, "nonfinite")})
        left |= {name: known[name] for name in _RESULTS if left[name] is None}
        for name, value in RUN_METRICS.encode(left).items():
            setattr(run, name, value)
    return (checkpoint.step, checkpoint.epoch) if checkpoint else (0, 0)
