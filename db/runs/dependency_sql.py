"""The SQL of what queued runs start after, and the words for how those ended; see `db.runs.dependencies`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from db.models import RunDependencyRow as Dependency
from db.models import RunRow
from db.records import TERMINAL, RunStatus

__all__ = ["ENDED", "FAILED", "HELD", "MET", "NOT_MET", "OPEN", "QUEUED", "WAITS", "WILL_NOT_COMPLETE", "Before"]
__all__ += ["joined", "parts"]

OPEN, MET, FAILED = "open", "met", "failed"
"""What has come of a dependency: nothing yet, the run has started, or the run is held because of it."""

ENDED = {
    RunStatus.FAILED: "failed",
    RunStatus.KILLED: "was killed",
    RunStatus.STOPPED: "was stopped",
    RunStatus.PREEMPTED: "was preempted",
    RunStatus.LOST: "was lost",
}
"""How a run ended that did not complete, in words."""

_IN_A_QUERY = 10_000  # SQLite takes at most 32,766 parameters

Before = aliased(RunRow)
"""The run that is waited for."""

NOT_MET = Dependency.outcome.in_((OPEN, FAILED))
QUEUED = (RunRow.status == RunStatus.QUEUED, RunRow.trashed_at.is_(None))

_MUST_COMPLETE = Dependency.must_complete.is_(True)
_GONE = sa.or_(Before.id.is_(None), Before.trashed_at.is_not(None))

WAITS = sa.or_(
    sa.and_(_MUST_COMPLETE, sa.or_(_GONE, Before.status != RunStatus.COMPLETED)),
    sa.and_(sa.not_(_MUST_COMPLETE), sa.not_(_GONE), Before.status.not_in(TERMINAL)),
)
"""A dependency that keeps its run from starting now."""

_other = aliased(Dependency)
HELD = sa.exists().where(_other.run_id == RunRow.id, _other.outcome == FAILED)
"""A queued run that is held because of a dependency, where it is held at all."""

WILL_NOT_COMPLETE = sa.or_(
    _GONE,
    Before.status.in_(tuple(ENDED)),
    sa.and_(
        Before.status == RunStatus.QUEUED,
        Before.held.is_(True),
        sa.or_(Before.start_failures > 0, sa.exists().where(_other.run_id == Before.id, _other.outcome == FAILED)),
    ),
)
"""A dependency whose run does not complete unless a person resumes or releases a run."""


def joined(*columns: Any) -> sa.Select[Any]:
    """Some columns of dependencies, beside the runs that are waited for; those that are gone have NULLs."""
    return sa.select(*columns).select_from(Dependency).outerjoin(Before, Before.id == Dependency.after_id)


def parts(run_ids: Iterable[int]) -> Iterator[list[int]]:
    """Ids in as many parts as queries are needed for them, ascending."""
    wanted = sorted(set(run_ids))
    for start in range(0, len(wanted), _IN_A_QUERY):
        yield wanted[start : start + _IN_A_QUERY]
