"""Which runs came from a run, and whether they let it be deleted."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.errors import IllegalState
from db.models import CheckpointRow, RunRow
from db.records import ACTIVE, RunStatus
from db.rows import listed

__all__ = ["check_deletable", "starting_from"]


def check_deletable(session: Session, run: RunRow, *, force: bool = False, going: Collection[int] = ()) -> None:
    """See whether a run may be deleted.

    Args:
        session: A write transaction.
        run: The run.
        force: Also where other runs were forked from it; they lose their parent.
        going: The ids of runs that are deleted with it: those do not keep it.

    Raises:
        IllegalState: The run is active, or other runs were forked from it, or wait to start from it.
    """
    if run.status.is_active:
        raise IllegalState(f"Run {run.id} ({run.name}) is {run.status}; stop or kill it before deleting it.")
    own = sa.select(CheckpointRow.id).where(CheckpointRow.run_id == run.id)
    came = session.scalars(
        sa.select(RunRow)
        .where(RunRow.id != run.id, sa.or_(RunRow.parent_id == run.id, RunRow.start_checkpoint_id.in_(own)))
        .order_by(RunRow.id)
    ).all()
    forks = [fork for fork in came if fork.id not in going]
    starting = session.scalars(
        sa.select(RunRow).where(RunRow.id != run.id, starting_from(own)).order_by(RunRow.id)
    ).all()
    waiting = [fork for fork in starting if fork.id not in going]
    if waiting:
        raise IllegalState(f"Run {run.id} ({run.name}) cannot be deleted: {listed(waiting)} will start from it.")
    if forks and not force:
        raise IllegalState(f"Run {run.id} ({run.name}) cannot be deleted without force: {listed(forks)} came from it.")


def starting_from(checkpoints: sa.Select[int]) -> sa.ColumnElement[bool]:
    """SQL for a run that still needs the file of one of some checkpoints: it waits to start from it, or has just begun.

    A worker reads the file before its first step, and by then the run is no longer queued.

    Args:
        checkpoints: Their ids.
    """
    at = sa.select(CheckpointRow.step).where(CheckpointRow.id == RunRow.start_checkpoint_id).scalar_subquery()
    begun = sa.and_(RunRow.status.in_(ACTIVE), RunRow.step <= at)
    return sa.and_(RunRow.start_checkpoint_id.in_(checkpoints), sa.or_(RunRow.status == RunStatus.QUEUED, begun))
