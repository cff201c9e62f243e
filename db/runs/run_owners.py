"""Whose a run is: of the user who queued it last, as its submission says. Only that user's scheduler starts it.

A run of an earlier version of itop does not say; in a file it is of the user whose the file is, on a server of anybody.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from db import users
from db.models import RunRow
from db.records import RunRecord, RunStatus
from db.runs.dependency_sql import parts
from db.session import Database
from db.users import User

__all__ = ["has_waiting", "how_many_wait", "is_mine", "mine", "owners", "submitted_again"]


def owners(db: Database, run_ids: Iterable[int]) -> dict[int, User | None]:
    """Whose some runs are, by id; None where a run is anybody's. Those that are not there are left out."""
    statement = sa.select(RunRow.id, RunRow.submission)
    owner = db.owner
    with db.read() as session:
        return {
            run_id: _named(text) or owner
            for part in parts(run_ids)
            for run_id, text in session.execute(statement.where(RunRow.id.in_(part)))
        }


def is_mine(db: Database, owner: User | None) -> bool:
    """Whether what is of this user is of the one who runs this process.

    A file system knows users by their numbers; the hosts of a server may each have other numbers for the same name.
    """
    if owner is None:
        return True
    me = users.current()
    return owner.name == me.name if db.on_server else owner.uid == me.uid


def mine(db: Database, runs: Iterable[RunRecord]) -> list[RunRecord]:
    """Those of some runs that are of the user who runs this process."""
    listed = list(runs)
    if not listed:
        return []
    found = owners(db, (run.id for run in listed))
    return [run for run in listed if run.id in found and is_mine(db, found[run.id])]


def has_waiting(db: Database) -> bool:
    """Whether a run of the user who runs this process waits to be started, and is not held."""
    return how_many_wait(db) > 0


def how_many_wait(db: Database) -> int:
    """How many runs of the user who runs this process wait to be started, and are not held."""
    statement = (
        sa.select(RunRow.submission, sa.func.count())
        .where(RunRow.status == RunStatus.QUEUED, RunRow.trashed_at.is_(None), RunRow.held.is_(False))
        .group_by(RunRow.submission)
    )
    owner = db.owner
    with db.read() as session:
        return sum(number for text, number in session.execute(statement) if is_mine(db, _named(text) or owner))


def submitted_again(db: Database, before: str | None, now: Mapping[str, Any] | None) -> str | None:
    """The submission of a run that is queued again, as the row holds it.

    It keeps the place of its first submission, unless that was another user's: then it is now of this one, with
    nothing of the other's.
    """
    if now is None:
        return before
    user = User.from_dict(now)
    if before is None or (user is not None and not is_mine(db, _named(before) or db.owner)):
        return json.dumps(now)
    if user is None or _named(before) is not None:
        return before
    return json.dumps({**_parsed(before), **user.as_dict()})


@lru_cache(maxsize=1024)
def _named(text: str | None) -> User | None:
    return User.from_dict(_parsed(text))


def _parsed(text: str | None) -> dict[str, Any]:
    try:
        values = json.loads(text or "{}")
    except ValueError:
        return {}
    return values if isinstance(values, dict) else {}
