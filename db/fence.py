"""Who may record a run: its latest attempt, while that is open.

A worker that was given up for dead may live, and even come back after hours. What it would record belongs to no attempt
any more; its next commit is refused, and it ends.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.errors import AttemptOver
from db.models import AttemptRow
from db.rows import get_run

__all__ = ["check_open"]


def check_open(session: Session, run_id: int, attempt_id: int) -> None:
    """Refuse to record anything for an attempt that has ended, or is not the run's latest.

    Raises:
        AttemptOver: So it is; the message says how it ended.
        RunNotFound: The run was deleted.
    """
    latest = session.execute(
        sa.select(AttemptRow.id, AttemptRow.ended_at, AttemptRow.status, AttemptRow.reason)
        .where(AttemptRow.run_id == run_id)
        .order_by(AttemptRow.number.desc())
        .limit(1)
    ).first()
    if latest is not None and latest.id == attempt_id and latest.ended_at is None:
        return
    get_run(session, run_id)
    if latest is None or latest.id != attempt_id:
        newest = "none" if latest is None else latest.id
        raise AttemptOver(f"Attempt {attempt_id} is not the latest of run {run_id} (that is {newest}).")
    why = f": {latest.reason}" if latest.reason else ""
    raise AttemptOver(f"Attempt {attempt_id} of run {run_id} has ended as {latest.status.value}{why}.")
