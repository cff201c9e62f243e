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
from db.runs.checkpoint_places import stored
from db.runs.forks import starting_from
from db.runs.removal import Remains
from db.session import Database

__all__ = ["add", "before", "everything", "for_run", "get", "pick", "remove", "unreferenced"]

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
    `manual`. The files of forgotten ones are the caller's to remove: ask `unreferenced`. A file that was written again
    keeps its id, so that trying again after an uncertain commit is safe.

    Args:
        db: The database.
        run_id: The run.
        attempt_id: The attempt that wrote it, which must be the run's latest and open; None for one that no attempt
            wrote.
        step: Optimizer steps taken.
        epoch: The epoch it was written in or after.
        kind: What it is.
        path: The file; see `checkpoint_places.stored`.
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
        files = {each: stored(run.uid, file) for each, file in files.items()}
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
        return checkpoint_record(rows[kind], run.uid)


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
        row = get_checkpoint(session, checkpoint_id)
        return checkpoint_record(row, get_run(session, row.run_id).uid)


def for_run(db: Database, run_id: int) -> list[CheckpointRecord]:
    """The checkpoints of a run, by step.

    Raises:
        RunNotFound: There is no such run.
    """
    with db.read() as session:
        uid = get_run(session, run_id).uid
        return [checkpoint_record(row, uid) for row in _of_run(session, run_id)]


def everything(db: Database) -> list[CheckpointRecord]:
    """The checkpoints of all runs, those that are archived or deleted too, by id."""
    with db.read() as session:
        rows = session.execute(
            sa.select(CheckpointRow, RunRow.uid)
            .join(RunRow, RunRow.id == CheckpointRow.run_id)
            .order_by(CheckpointRow.id)
        )
        return [checkpoint_record(row, uid) for row, uid in rows]


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
            return checkpoint_record(max(candidates, key=lambda row: (row.step, row.id)), run.uid)
        if not rows:
            raise StoreError(f"Run {run.id} ({run.name}) has no checkpoint yet.")
        listed = ", ".join(f"{row.id} ({row.kind}, step {row.step})" for row in rows)
        choices = ["last", "best", *(str(row.id) for row in rows)]
        meant = nearest(word, choices)
        hint = f" Did you mean {meant!r}?" if meant and meant != word else ""
        raise StoreError(f"Run {run.id} ({run.name}) has no checkpoint {which!r}.{hint} It has: {listed}.")


def before(db: Database, checkpoint_id: int) -> list[CheckpointRecord]:
    """What the same run can start from instead of a checkpoint whose file cannot be used, the furthest first.

    Raises:
        StoreError: There is no such checkpoint.
    """
    with db.read() as session:
        bad = get_checkpoint(session, checkpoint_id)
        uid = get_run(session, bad.run_id).uid
        current = _current(session, bad.run_id, _of_run(session, bad.run_id))
        return [
            checkpoint_record(row, uid)
            for row in reversed(current)
            if row.id != bad.id and row.step <= bad.step and row.kind != "nan"
        ]


def remove(db: Database, checkpoint_id: int, *, force: bool = False) -> Remains:
    """Forget a checkpoint.

    Args:
        db: The database.
        checkpoint_id: The checkpoint.
        force: Also where another run was forked from it.

    Returns:
        Its file, for `removal.remove`; no file where another checkpoint is in the same one.

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
        run, path = get_run(session, row.run_id), row.path
        session.delete(row)
        session.flush()
        return _unreferenced(session, run, [path])


def unreferenced(db: Database, run_id: int, paths: Iterable[str]) -> Remains:
    """Which of these files of a run no checkpoint of it is in any more, for `removal.remove`.

    Raises:
        RunNotFound: There is no such run.
    """
    with db.read() as session:
        run = get_run(session, run_id)
        return _unreferenced(session, run, [stored(run.uid, path) for path in paths])


def _unreferenced(session: Session, run: RunRow, named: list[str]) -> Remains:
    of_run = sa.select(CheckpointRow.path).where(CheckpointRow.run_id == run.id, CheckpointRow.path.in_(named))
    kept = set(session.scalars(of_run))
    return Remains(run.uid, tuple(path for path in dict.fromkeys(named) if path not in kept))


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
