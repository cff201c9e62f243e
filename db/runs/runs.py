"""Runs: creating, finding, listing, reserving a device for, resuming and deleting them."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db import paths
from db.errors import IllegalState, StoreError
from db.finding.listing import SORTS, check_sort, count, find, list_runs, page, totals
from db.history.cut_back import truncate
from db.models import AttemptRow, CheckpointRow, DeviceClaimRow, RunRow
from db.records import ACTIVE, AttemptRecord, RunQuery, RunRecord, RunStatus
from db.rows import attempt_record, get_checkpoint, get_run, run_record
from db.runs import changes
from db.runs.facets import Experiment, clean_config, clean_name, clean_tags, default_name, facets
from db.runs.forks import check_deletable
from db.runs.queue import hold, how_many_wait, move, queued, release, set_priority, waiting
from db.session import Database

__all__ = [
    "SORTS",
    "RunQuery",
    "active",
    "check_sort",
    "count",
    "create",
    "delete",
    "find",
    "get",
    "hold",
    "how_many_wait",
    "list_runs",
    "move",
    "page",
    "queued",
    "release",
    "requeue_resume",
    "reserve",
    "set_priority",
    "totals",
    "update_fields",
    "waiting",
]

_EDITABLE = frozenset({"name", "tags", "notes", "group", "priority", "held", "total_steps", "total_epochs"})


def create(
    db: Database,
    *,
    config: Mapping[str, Any],
    experiment: Experiment | None = None,
    name: str | None = None,
    tags: Iterable[str] = (),
    notes: str = "",
    group: str | None = None,
    parent_id: int | None = None,
    start_checkpoint_id: int | None = None,
    fork_step: int | None = None,
    priority: int = 0,
    total_steps: int = 0,
) -> RunRecord:
    """Queue a new run.

    Args:
        db: The database.
        config: The whole configuration, as JSON values.
        experiment: Its method and recipe, as `engine.config.experiments` gives them.
        name: What people call it; by default made of model, data set, method, density and seed. Need not be unique.
        tags: Short words to find it by; blanks around them and repetitions are dropped.
        notes: Anything.
        group: The sweep or experiment it belongs to.
        parent_id: The run it was forked from.
        start_checkpoint_id: The checkpoint it starts from; None starts from the first step.
        fork_step: The parent's step at which it was forked.
        priority: Larger starts earlier.
        total_steps: The optimizer steps it will take, where that is known.

    Raises:
        RunNotFound: There is no run `parent_id`.
        StoreError: There is no such checkpoint, the name is blank, or the configuration is not JSON.
    """
    now = time.time()
    with db.write() as session:
        if parent_id is not None:
            get_run(session, parent_id)
        if start_checkpoint_id is not None:
            get_checkpoint(session, start_checkpoint_id)
        config = clean_config(config)
        row = RunRow(
            uid=secrets.token_hex(6),
            name=default_name(config, experiment) if name is None else clean_name(name),
            status=RunStatus.QUEUED,
            config=config,
            tags=clean_tags(tags),
            notes=notes,
            group=group,
            parent_id=parent_id,
            start_checkpoint_id=start_checkpoint_id,
            fork_step=fork_step,
            fork_checkpoint_id=start_checkpoint_id if parent_id is not None else None,
            priority=priority,
            total_steps=total_steps,
            created_at=now,
            queued_at=now,
            **facets(config, experiment),
        )
        session.add(row)
        session.flush()
        return run_record(row)


def get(db: Database, run_id: int) -> RunRecord:
    """The run with this id.

    Raises:
        RunNotFound: There is none.
    """
    with db.read() as session:
        return run_record(get_run(session, run_id))


def active(db: Database, host: str | None = None) -> list[RunRecord]:
    """The runs that should have a process, on one host or on all, by id."""
    statement = sa.select(RunRow).where(RunRow.status.in_(ACTIVE)).order_by(RunRow.id)
    if host is not None:
        statement = statement.where(RunRow.host == host)
    with db.read() as session:
        return [run_record(row) for row in session.scalars(statement)]


def reserve(
    db: Database, run_id: int, *, host: str, device: str | Sequence[str], slots: int | Mapping[str, int]
) -> AttemptRecord | None:
    """Start a new attempt of a queued run on a device that has room, or on several that all have, in one transaction.

    The run becomes starting. What it recorded after the step it starts from is deleted: all of it, where it starts from
    the beginning or from another run's checkpoint.

    Args:
        db: The database.
        run_id: The run.
        host: The host that will run it.
        device: The device, as torch names it; or several, each of which it holds until it has ended.
        slots: How many runs a device may have at once; for several devices a number for each, or one for all.

    Returns:
        The attempt; None where the run is not waiting any more (or held, or gone) or a device is full. Its `device`
        names several with commas between.
    """
    devices = tuple(dict.fromkeys([device] if isinstance(device, str) else device))
    if not devices:
        raise StoreError(f"Run {run_id} cannot be started on no device at all.")
    with db.write() as session:
        for name in sorted(devices):  # in one order, so that no two wait for each other
            db.exclusive(session, f"itop device {host} {name}")
        run = session.get(RunRow, run_id, with_for_update=True)
        if run is None or run.status != RunStatus.QUEUED or run.held or run.trashed_at is not None:
            return None
        taken = _occupied(session, host, devices)
        if any(taken.get(name, 0) >= (slots if isinstance(slots, int) else slots[name]) for name in devices):
            return None
        now = time.time()
        start_step, start_epoch = _rewind(session, run)
        run.attempt_count += 1
        named = ",".join(devices)
        attempt = AttemptRow(
            run_id=run.id,
            number=run.attempt_count,
            host=host,
            device=named,
            started_at=now,
            status=RunStatus.STARTING,
            start_step=start_step,
            versions={},
        )
        session.add(attempt)
        session.flush()
        session.add_all(DeviceClaimRow(attempt_id=attempt.id, device=name) for name in devices)
        run.status, run.reason = RunStatus.STARTING, None
        run.host, run.device, run.pid = host, named, None
        run.step, run.epoch = start_step, start_epoch
        run.started_at = run.started_at or now
        run.heartbeat_at = now
        session.flush()
        return attempt_record(attempt)


def _occupied(session: Session, host: str, devices: Sequence[str]) -> dict[str, int]:
    """How many open attempts of a host hold each of some devices."""
    statement = (
        sa.select(DeviceClaimRow.device, sa.func.count())
        .join(AttemptRow, AttemptRow.id == DeviceClaimRow.attempt_id)
        .where(AttemptRow.ended_at.is_(None), AttemptRow.host == host, DeviceClaimRow.device.in_(devices))
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
) -> RunRecord:
    """Queue a run that has ended, to go on from a checkpoint or, with None, to begin again.

    What it recorded stays until the attempt starts.

    Args:
        db: The database.
        run_id: The run.
        checkpoint_id: Where to go on from.
        config: A changed configuration; None keeps the old one. `db.runs.changes` keeps what it changes.
        experiment: The changed configuration's method and recipe.
        total_steps: The optimizer steps it will take, where they change and are known.
        reason: Why it waits again, where nobody asked for it.

    Raises:
        IllegalState: The run has not ended, or is in the trash.
        StoreError: There is no such checkpoint, or it is neither this run's nor the one it was forked from.
    """
    with db.write() as session:
        run = get_run(session, run_id, lock=True)
        if run.trashed_at is not None:
            raise IllegalState(f"Run {run.id} ({run.name}) was deleted; restore it first.")
        if not run.status.is_terminal:
            raise IllegalState(f"Run {run.id} ({run.name}) is {run.status}; only a run that has ended can be resumed.")
        if checkpoint_id is not None:
            checkpoint = get_checkpoint(session, checkpoint_id)
            if checkpoint.run_id not in (run.id, run.parent_id):
                raise StoreError(
                    f"Checkpoint {checkpoint_id} belongs to run {checkpoint.run_id}; fork that run to start from it."
                )
        run.status = RunStatus.QUEUED
        run.queued_at, run.position = time.time(), None
        run.held, run.start_failures = False, 0
        run.start_checkpoint_id = checkpoint_id
        run.reason = reason
        run.exit_code = run.signal = run.ended_at = run.pid = None
        if checkpoint_id is None:
            run.started_at = None
        if total_steps is not None:
            run.total_steps = total_steps
        if config is not None:
            changes.note(session, run, clean_config(config))
            run.config = clean_config(config)
            for name, value in facets(run.config, experiment).items():
                setattr(run, name, value)
        session.flush()
        return run_record(run)


def update_fields(db: Database, run_id: int, **fields: Any) -> RunRecord:
    """Change what people may change of a run: name, tags, notes, group, priority, held, total_steps, total_epochs.

    Raises:
        RunNotFound: There is no such run.
        StoreError: Another field was named, or the name is blank.
    """
    unknown = sorted(set(fields) - _EDITABLE)
    if unknown:
        allowed = ", ".join(sorted(_EDITABLE))
        raise StoreError(f"The field {unknown[0]!r} of a run cannot be edited. Allowed: {allowed}.")
    if "name" in fields:
        fields["name"] = clean_name(fields["name"])
    if "tags" in fields:
        fields["tags"] = clean_tags(fields["tags"])
    with db.write() as session:
        run = get_run(session, run_id, lock=True)
        for name, value in fields.items():
            setattr(run, name, value)
        session.flush()
        return run_record(run)


def delete(db: Database, run_id: int, *, force: bool = False, only_trashed: bool = False) -> list[str]:
    """Forget a run and all it recorded.

    Args:
        db: The database.
        run_id: The run.
        force: Also where other runs were forked from it; they lose their parent.
        only_trashed: Only while it is in the trash, which another program may take it out of at any moment.

    Returns:
        The folder and files that are now nobody's, for the caller to delete.

    Raises:
        IllegalState: The run is active, or other runs were forked from it, or wait to start from it, or it is not in
            the trash and `only_trashed` asks for that.
    """
    with db.write() as session:
        run = get_run(session, run_id, lock=True)
        if only_trashed and run.trashed_at is None:
            raise IllegalState(f"Run {run.id} ({run.name}) is not in the trash.")
        check_deletable(session, run, force=force)
        folder = paths.run_folder(run.uid)
        files = session.scalars(sa.select(CheckpointRow.path).where(CheckpointRow.run_id == run.id).distinct())
        outside = sorted(path for path in files if not path.startswith(f"{folder}/"))
        shared = set(
            session.scalars(
                sa.select(CheckpointRow.path).where(CheckpointRow.path.in_(outside), CheckpointRow.run_id != run.id)
            )
        )
        changes.forget(session, run.id)
        session.execute(sa.delete(RunRow).where(RunRow.id == run.id))
    return [str(folder), *(path for path in outside if path not in shared)]


def _rewind(session: Session, run: RunRow) -> tuple[int, int]:
    """Cut the history to where the run starts from; returns that step and epoch."""
    checkpoint = session.get(CheckpointRow, run.start_checkpoint_id) if run.start_checkpoint_id else None
    own = checkpoint is not None and checkpoint.run_id == run.id
    truncate(session, run, checkpoint.step if checkpoint and own else -1)
    return (checkpoint.step, checkpoint.epoch) if checkpoint else (0, 0)
