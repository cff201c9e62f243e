"""Finding runs: one by what somebody typed, many by a query. `db.runs` offers these as its own.

The cost depends on the number of runs, never on what they recorded: a list reads only the table of runs.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.errors import AmbiguousRun, RunNotFound, StoreError
from db.models import RunRow
from db.records import RunQuery, RunRecord
from db.rows import run_record
from db.session import Database

__all__ = ["SORTS", "count", "find", "list_runs"]

# fmt: off
_SORTED_COLUMNS = (
    "id", "uid", "name", "status", "group", "priority", "model", "data", "method", "seed", "target_density",
    "created_at", "queued_at", "started_at", "ended_at", "heartbeat_at", "step", "total_steps", "epoch",
    "total_epochs", "loss", "accuracy", "val_loss", "val_accuracy", "best_val_accuracy", "test_accuracy",
    "test_accuracy_last", "density", "nonzeros", "itop_rate", "death_rate", "learning_rate",
    "samples_per_second", "training_flops", "flops_ratio", "attempt_count", "host", "device",
)

# fmt: on

# What a list can be sorted by. Text sorts without regard to case.
SORTS: Mapping[str, sa.ColumnElement[Any]] = {
    **{name: getattr(RunRow, name) for name in _SORTED_COLUMNS},
    "name": sa.func.lower(RunRow.name),
    "group": sa.func.lower(RunRow.group),
    "progress": RunRow.step * 1.0 / sa.func.nullif(RunRow.total_steps, 0),
}

_FILTERED = (RunRow.name, RunRow.model, RunRow.data, RunRow.method, RunRow.status, RunRow.tags)
_TEXTS: list[sa.ColumnElement[str]] = [sa.type_coerce(column, sa.Text) for column in _FILTERED]
# One text a run to search in. Words hold no line break, so none is found across two columns.
_HAYSTACK = functools.reduce(lambda left, right: left + "\n" + right, _TEXTS)


def find(db: Database, token: str | int) -> RunRecord:
    """The run somebody means: by id, by uid, or by a name that only one run has.

    Raises:
        RunNotFound: There is none; the message names the nearest.
        AmbiguousRun: Several runs have this name; the message lists their ids.
    """
    word = str(token).strip()
    with db.read() as session:
        # SQLite's integers end at 63 bits; a longer number can only be a name.
        if word.isascii() and word.isdecimal() and len(word) <= 18:
            row = session.get(RunRow, int(word))
            if row is not None:
                return run_record(row)
        row = session.scalars(sa.select(RunRow).where(RunRow.uid == word)).first()
        if row is not None:
            return run_record(row)
        rows = session.scalars(sa.select(RunRow).where(RunRow.name == word).order_by(RunRow.id)).all()
        if len(rows) == 1:
            return run_record(rows[0])
        if rows:
            ids = [row.id for row in rows]
            listed = ", ".join(map(str, ids))
            raise AmbiguousRun(f"{len(ids)} runs are named {word!r}: {listed}. Give the id of one.", ids)
        raise RunNotFound(f"There is no run {word!r}.{_nearest(session, word)}")


def list_runs(db: Database, query: RunQuery | None = None) -> list[RunRecord]:
    """The runs that a query selects, in its order. The cost does not depend on what the runs recorded.

    Raises:
        StoreError: The query sorts by something that is not in `SORTS`.
    """
    query = query or RunQuery()
    order = SORTS.get(query.sort)
    if order is None:
        near = difflib.get_close_matches(query.sort, SORTS, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise StoreError(f"Runs cannot be sorted by {query.sort!r}.{hint} Allowed: {', '.join(sorted(SORTS))}.")
    direction = order.desc() if query.descending else order.asc()
    tie = RunRow.id.desc() if query.descending else RunRow.id.asc()
    statement = _filtered(sa.select(RunRow), query).order_by(direction.nulls_last(), tie)
    statement = statement.limit(query.limit).offset(query.offset or None)
    with db.read() as session:
        return [run_record(row) for row in session.scalars(statement)]


def count(db: Database, query: RunQuery | None = None) -> int:
    """How many runs a query selects, whatever its limit."""
    with db.read() as session:
        return session.scalar(_filtered(sa.select(sa.func.count(RunRow.id)), query or RunQuery())) or 0


def _filtered(statement: sa.Select[Any], query: RunQuery) -> sa.Select[Any]:
    for word in query.text.split():
        statement = statement.where(_HAYSTACK.icontains(word, autoescape=True))
    if query.statuses:
        statement = statement.where(RunRow.status.in_(query.statuses))
    if query.group is not None:
        statement = statement.where(RunRow.group == query.group)
    return statement


def _nearest(session: Session, word: str) -> str:
    names = session.scalars(sa.select(RunRow.name).order_by(RunRow.id.desc()).limit(1000)).all()
    near = difflib.get_close_matches(word, dict.fromkeys(names), n=3)
    if near:
        return f" Did you mean {' or '.join(map(repr, near))}?"
    latest = session.scalar(sa.select(sa.func.max(RunRow.id)))
    return " There are no runs yet." if latest is None else f" The latest is run {latest}."
