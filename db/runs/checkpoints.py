"""Checkpoints: which files hold the state of a run, and which of them something still needs."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import get_args

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.errors import IllegalState, StoreError
from db.fence import check_open
from db.models import AttemptRow, CheckpointRow, RunRow
from db.nearest_word import nearest
from db.records import CheckpointKind, CheckpointRecord, RunStatus
from db.rows import checkpoint_record, get_checkpoint, get_run, listed
from db.runs.forks import starting_from
from db.session import Database

__all__ = ["add", "for_run", "get", "pick", "remove", "unreferenced"]

_KINDS: tuple[str, ...] = get_args(CheckpointKind)
_REPLACED: tuple[CheckpointKind, ...] = ("last", "best")


def add(
    db: Database,
    *,
    run_id: int,
    attempt_id: int | None,
    step: int,
    epoch: int,
    kind: CheckpointKind,
    path: str,
    bytes: int,  # noqa: A002 - the record's own name
    sha256: str,
    val_accuracy: float | None = None,
    created_at: float | None = None,
    also: Mapping[CheckpointKind, str] | None = None,
    keep: Mapping[CheckpointKind, int] | None = None,
) -> CheckpointRecord:
    """Note a checkpoint file that is complete on disk, and forget those it takes the place of, in one transaction.

    A run keeps so many of kind `last` and `best` as `keep` says, the newest; those that it has since gone back behind
    go first. One that another run starts from or was forked from, and one that this run waits to start from, stays as
    `manual`. The files of forgotten ones are the caller's to delete: ask `unreferenced`. A file that was written again
    keeps its id, so that trying again after an uncertain commit is safe.

    Args:
        db: The database.
        run_id: The run.
        attempt_id: The attempt that wrote it, which must be the run's latest and open; None for one that no attempt
            wrote.
        step: Optimizer steps taken.
        epoch: The epoch it was written in or after.
        kind: What it is.
        path: The file.
        bytes: Its size.
        sha256: Of its bytes, in hex.
        val_accuracy: Validation accuracy of the epoch.
        created_at: When it was written; None for now.
        also: Further kinds it is, each with the file's other name.
        keep: How many to keep of `last` and of `best`, this one included; by default one.

    Raises:
        RunNotFound: There is no such run.
        AttemptOver: It has ended, or the run was started again: a worker that was given up for dead adds nothing to it.
        StoreError: The kind is not one of `CheckpointKind`.
    """
    files: dict[CheckpointKind, str] = {kind: path, **(also or {})}
    for each in files:
        if each not in _KINDS:
            raise StoreError(f"{each!r} is not a kind of checkpoint; allowed are {', '.join(_KINDS)}.")
    now = time.time() if created_at is None else created_at
    with db.write() as session:
        run = get_run(session, run_id, lock=True)
        if attempt_id is not None:
            check_open(session, run.id, attempt_id)
        rows: dict[CheckpointKind, CheckpointRow] = {}
        for each, file in files.items():
            row = rows[each] = _row_of(session, run_id, each, file, bytes, sha256)
            row.attempt_id, row.step, row.epoch, row.created_at = attempt_id, step, epoch, now
            row.bytes, row.sha256, row.val_accuracy = bytes, sha256, val_accuracy
            session.add(row)
        session.flush()
        for each in _REPLACED:
            if each in rows:
                _forget_older(session, run, rows[each], (keep or {}).get(each, 1))
        session.flush()
        return checkpoint_record(rows[kind])


def _row_of(session: Session, run_id: int, kind: str, path: str, size: int, sha256: str) -> CheckpointRow:
    """The row for a file: the one it had before, or a new one."""
    found = CheckpointRow(run_id=run_id, kind=kind, path=path)
    # A run that went back may write the same file again: whatever was in it is replaced.
    for other in session.scalars(
        sa.select(CheckpointRow).where(CheckpointRow.run_id == run_id, CheckpointRow.path == path)
    ):
        other.bytes, other.sha256 = size, sha256
        if other.kind == kind:
            found = other
    return found


def _forget_older(session: Session, run: RunRow, newest: CheckpointRow, keep: int) -> None:
    """Forget what is too many of the kind of a new checkpoint."""
    of_run = _of_run(session, run.id)
    current = {row.id for row in _current(session, run.id, of_run)}
    older = [row for row in of_run if row.kind == newest.kind and row is not newest]
    older.sort(key=lambda row: (row.id in current, row.id), reverse=True)
    for old in older[max(0, keep - 1) :]:
        if _forks(session, old) or (run.status == RunStatus.QUEUED and run.start_checkpoint_id == old.id):
            old.kind = "manual"
        else:
            session.delete(old)


def get(db: Database, checkpoint_id: int) -> CheckpointRecord:
    """The checkpoint with this id.

    Raises:
        StoreError: There is none.
    """
    with db.read() as session:
        return checkpoint_record(get_checkpoint(session, checkpoint_id))


def for_run(db: Database, run_id: int) -> list[CheckpointRecord]:
    """The checkpoints of a run, by step.

    Raises:
        RunNotFound: There is no such run.
    """
    with db.read() as session:
        get_run(session, run_id)
        return [checkpoint_record(row) for row in _of_run(session, run_id)]


def pick(db: Database, run_id: int, which: str | int) -> CheckpointRecord:
    """The checkpoint that a person means: `last` (the furthest that is not of a diverged state), `best`, or an id.

    `last` and `best` pass over checkpoints that the run has since gone back behind: what was recorded up to them is
    gone. Their ids still name them.

    Raises:
        RunNotFound: There is no such run.
        StoreError: The run has no such checkpoint; the message lists those it has.
    """
    word = str(which).strip().lower()
    with db.read() as session:
        run = get_run(session, run_id)
        rows = _of_run(session, run_id)
        current = _current(session, run_id, rows)
        candidates = {
            "last": [row for row in current if row.kind != "nan"],
            "best": [row for row in current if row.kind == "best"],
        }.get(word, [row for row in rows if str(row.id) == word])
        if candidates:
            return checkpoint_record(max(candidates, key=lambda row: (row.step, row.id)))
        if not rows:
            raise StoreError(f"Run {run.id} ({run.name}) has no checkpoint yet.")
        listed = ", ".join(f"{row.id} ({row.kind}, step {row.step})" for row in rows)
        choices = ["last", "best", *(str(row.id) for row in rows)]
        meant = nearest(word, choices)
        hint = f" Did you mean {meant!r}?" if meant and meant != word else ""
        raise StoreError(f"Run {run.id} ({run.name}) has no checkpoint {which!r}.{hint} It has: {listed}.")


def remove(db: Database, checkpoint_id: int, *, force: bool = False) -> list[str]:
    """Forget a checkpoint.

    Args:
        db: The database.
        checkpoint_id: The checkpoint.
        force: Also where another run was forked from it.

    Returns:
        Its path, for the caller to delete, or nothing where another checkpoint is in the same file.

    Raises:
        IllegalState: Other runs were forked from it, or one waits to start from it or has just begun to.
        StoreError: There is none.
    """
    with db.write() as session:
        row = get_checkpoint(session, checkpoint_id, lock=True)
        waiting = session.scalars(
            sa.select(RunRow)
            .where(starting_from(sa.select(CheckpointRow.id).where(CheckpointRow.id == row.id)))
            .order_by(RunRow.id)
        ).all()
        if waiting:
            raise IllegalState(f"Checkpoint {row.id} cannot be removed: {listed(waiting)} will start from it.")
        forks = _forks(session, row)
        if forks and not force:
            raise IllegalState(
                f"Checkpoint {row.id} cannot be removed without force: {listed(forks)} was forked from it."
            )
        path = row.path
        session.delete(row)
        session.flush()
        return _unreferenced(session, [path])


def unreferenced(db: Database, paths: Iterable[str]) -> list[str]:
    """Which of these files no checkpoint is in any more, so that they can be deleted."""
    with db.read() as session:
        return _unreferenced(session, list(paths))


def _unreferenced(session: Session, paths: list[str]) -> list[str]:
    kept = set(session.scalars(sa.select(CheckpointRow.path).where(CheckpointRow.path.in_(paths))))
    return [path for path in paths if path not in kept]


def _of_run(session: Session, run_id: int) -> list[CheckpointRow]:
    statement = sa.select(CheckpointRow).where(CheckpointRow.run_id == run_id)
    return list(session.scalars(statement.order_by(CheckpointRow.step, CheckpointRow.id)))


def _current(session: Session, run_id: int, rows: list[CheckpointRow]) -> list[CheckpointRow]:
    """Those that no later attempt started before, and so left on a branch that was given up."""
    starts = session.execute(
        sa.select(AttemptRow.id, AttemptRow.started_at, AttemptRow.start_step).where(AttemptRow.run_id == run_id)
    ).all()

    def is_current(row: CheckpointRow) -> bool:
        for attempt_id, started_at, start_step in starts:
            later = started_at > row.created_at if row.attempt_id is None else attempt_id > row.attempt_id
            if later and start_step < row.step:
                return False
        return True

    return [row for row in rows if is_current(row)]


def _forks(session: Session, checkpoint: CheckpointRow) -> list[RunRow]:
    """The other runs that start from a checkpoint, or once did and have gone on since."""
    # Forks of the first revision do not all name their checkpoint.
    once = sa.and_(
        RunRow.fork_checkpoint_id.is_(None),
        RunRow.parent_id == checkpoint.run_id,
        RunRow.fork_step == checkpoint.step,
    )
    named = (RunRow.start_checkpoint_id == checkpoint.id, RunRow.fork_checkpoint_id == checkpoint.id)
    statement = sa.select(RunRow).where(RunRow.id != checkpoint.run_id, sa.or_(*named, once))
    return list(session.scalars(statement.order_by(RunRow.id)))
