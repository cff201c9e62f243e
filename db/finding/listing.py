"""Finding runs: one by what a person typed, many by a query. `db.runs.runs` offers these as its own.

The cost depends on the number of runs, never on what they recorded: a list reads only the table of runs.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.errors import AmbiguousRun, RunNotFound, StoreError
from db.models import RunRow
from db.nearest_word import near, nearest
from db.query.fields import CONFIG_PREFIX, METRIC_PREFIX, find_field
from db.query.parser import parse
from db.query.settings_sql import metric_number, setting_number, setting_text
from db.query.sql import condition
from db.query.tree import NAME
from db.records import RunQuery, RunRecord, RunStatus, RunTotals
from db.rows import run_record
from db.session import Database

__all__ = ["SORTS", "check_sort", "count", "find", "list_runs", "page", "selected", "totals"]

# fmt: off
_SORTED_COLUMNS = (
    "id", "uid", "name", "status", "group", "priority", "model", "data", "method", "seed", "target_density",
    "created_at", "queued_at", "started_at", "ended_at", "heartbeat_at", "step", "total_steps", "epoch",
    "total_epochs", "loss", "accuracy", "val_loss", "val_accuracy", "best_val_accuracy", "test_accuracy",
    "test_accuracy_last", "density", "nonzeros", "itop_rate", "death_rate", "learning_rate",
    "samples_per_second", "training_flops", "flops_ratio", "energy_wh", "attempt_count", "host",
    "device",
)

# fmt: on

# What a list can be sorted by, beside the settings. Text sorts without regard to case.
SORTS: Mapping[str, sa.ColumnElement[Any]] = {
    **{name: getattr(RunRow, name) for name in _SORTED_COLUMNS},
    "name": sa.func.lower(RunRow.name),
    "group": sa.func.lower(RunRow.group),
    "progress": RunRow.step * 1.0 / sa.func.nullif(RunRow.total_steps, 0),
    # Of a run that is still going, up to its latest sign of life: the order needs no clock.
    "duration": sa.func.coalesce(RunRow.ended_at, RunRow.heartbeat_at) - RunRow.started_at,
    "starred": sa.type_coerce(RunRow.starred_at, sa.Double),
}
_ROWS_AT_ONCE = 2_000
_ID = re.compile(r"[0-9]{1,18}")
_UID = re.compile(r"[0-9a-f]{12}")
_SETTING = re.compile(f"({re.escape(CONFIG_PREFIX)}|{re.escape(METRIC_PREFIX)}){NAME}")


def find(db: Database, token: str | int) -> RunRecord:
    """The run that a person means: by id, by uid, or by a name that only one run has.

    Raises:
        RunNotFound: There is none, or it is in the trash; the message names the nearest.
        AmbiguousRun: Several runs have this name; the message lists their ids.
    """
    word = " ".join(str(token).split())  # as names are kept
    with db.read() as session:
        # Ids end at 31 bits on PostgreSQL; a longer number can only be a name.
        row = session.get(RunRow, int(word)) if _ID.fullmatch(word) and int(word) < 2**31 else None
        if row is None and _UID.fullmatch(word):
            row = session.scalars(sa.select(RunRow).where(RunRow.uid == word)).first()
        if row is not None:
            return run_record(_listed(row))
        same_name = sa.select(RunRow).where(RunRow.name == word, RunRow.trashed_at.is_(None))
        rows = session.scalars(same_name.order_by(RunRow.id)).all()
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
        QueryError: The query's text cannot be understood.
        StoreError: The query sorts by something that there is not.
    """
    query = query or RunQuery()
    with db.read() as session:
        return _records(session, session.scalars(_page(query, RunRow.id)).all())


def page(db: Database, query: RunQuery) -> tuple[list[RunRecord], int]:
    """The runs that a query selects, as `list_runs`, and how many it selects whatever its limit, in one look.

    Raises:
        QueryError: The query's text cannot be understood.
        StoreError: The query sorts by something that there is not.
    """
    # The filter goes over every run once, where a list and a count would each go over all of them.
    counted = _page(query, RunRow.id, sa.func.count().over())
    with db.read() as session:
        found = session.execute(counted).all()
        listed = _records(session, [run_id for run_id, _ in found])
    beyond = not found and query.offset > 0  # a page after the last one has no count
    return listed, count(db, query) if beyond else found[0][1] if found else 0


def _page(query: RunQuery, *columns: Any) -> sa.Select[Any]:
    """Some columns of the runs that a query selects, in its order and within its limits."""
    order = [key.desc() if query.descending else key.asc() for key in _sort_keys(query.sort)]
    tie = RunRow.id.desc() if query.descending else RunRow.id.asc()
    # Only ids are sorted: whole rows, configurations and all, would be moved about for a page of them.
    chosen = sa.select(*columns).where(*selected(query)).order_by(*(key.nulls_last() for key in order), tie)
    return chosen.limit(query.limit).offset(query.offset or None)


def _records(session: Session, ids: Sequence[int]) -> list[RunRecord]:
    """Runs by their ids, in that order."""
    rows: dict[int, RunRow] = {}
    for start in range(0, len(ids), _ROWS_AT_ONCE):
        part = sa.select(RunRow).where(RunRow.id.in_(ids[start : start + _ROWS_AT_ONCE]))
        rows.update((row.id, row) for row in session.scalars(part))
    return [run_record(rows[run_id]) for run_id in ids]


def count(db: Database, query: RunQuery | None = None) -> int:
    """How many runs a query selects, whatever its limit.

    Raises:
        QueryError: The query's text cannot be understood.
    """
    with db.read() as session:
        return session.scalar(sa.select(sa.func.count(RunRow.id)).where(*selected(query or RunQuery()))) or 0


def totals(db: Database) -> RunTotals:
    """How many runs there are, in one look; those in the trash are left out."""
    statement = sa.select(RunRow.status, sa.func.count(RunRow.id), sa.func.count(RunRow.archived_at))
    with db.read() as session:
        rows = session.execute(statement.where(RunRow.trashed_at.is_(None)).group_by(RunRow.status)).all()
    return RunTotals(
        runs=sum(number for _, number, _ in rows),
        archived=sum(archived for _, _, archived in rows),
        active=sum(number for status, number, _ in rows if status.is_active),
        queued=sum(number for status, number, _ in rows if status is RunStatus.QUEUED),
    )


def selected(query: RunQuery) -> list[sa.ColumnElement[bool]]:
    """What a run must be to be selected by a query, as SQL conditions.

    Raises:
        QueryError: The query's text cannot be understood.
    """
    asked = parse(query.text)
    conditions: list[sa.ColumnElement[bool]] = [RunRow.trashed_at.is_(None)]
    if query.archived is not None and not asked.states("is", "archived"):
        conditions.append(RunRow.archived_at.is_not(None) if query.archived else RunRow.archived_at.is_(None))
    if query.statuses:
        conditions.append(RunRow.status.in_(query.statuses))
    if query.group is not None:
        conditions.append(RunRow.group == query.group)
    if asked.root is not None:
        conditions.append(condition(asked, time.time()))
    return conditions


def check_sort(name: str) -> None:
    """See whether a list can be sorted by something.

    Raises:
        StoreError: It cannot; the message has the nearest that can.
    """
    if name in SORTS or _SETTING.fullmatch(name):
        return
    meant = nearest(name, SORTS)
    hint = f" Did you mean {meant!r}?" if meant else ""
    allowed = ", ".join(sorted(SORTS))
    raise StoreError(f"Runs cannot be sorted by {name!r}.{hint} Allowed: {allowed}, {CONFIG_PREFIX}SETTING.")


def _sort_keys(name: str) -> list[sa.ColumnElement[Any]]:
    check_sort(name)
    if name in SORTS:
        return [SORTS[name]]
    setting = name.removeprefix(CONFIG_PREFIX)
    field = find_field(name)
    if field is not None and field.metric:
        return [metric_number(field.metric)]
    numbers = setting_number(setting, certain=field is not None and field.kind in ("number", "flag"))
    texts = sa.func.lower(setting_text(setting, certain=field is not None and field.kind == "text"))
    if field is None or field.kind == "any":
        return [numbers, texts]
    return [texts] if field.kind == "text" else [numbers]


def _listed(row: RunRow) -> RunRow:
    if row.trashed_at is not None:
        raise RunNotFound(f"Run {row.id} ({row.name}) was deleted; it is in the trash, and can be restored.")
    return row


def _nearest(session: Session, word: str) -> str:
    shown = RunRow.trashed_at.is_(None)
    names = session.scalars(sa.select(RunRow.name).where(shown).order_by(RunRow.id.desc()).limit(1000)).all()
    alike = near(word, names, most=3, likeness=0.6)
    if alike:
        return f" Did you mean {' or '.join(map(repr, alike))}?"
    latest = session.scalar(sa.select(sa.func.max(RunRow.id)).where(shown))
    return " There are no runs yet." if latest is None else f" The latest is run {latest}."
