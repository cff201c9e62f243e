"""The alarms that runs have raised: each kind once, or once a layer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.models import AlarmRow, RunRow
from db.records import Alarm, RunRecord
from db.rows import run_record
from db.session import Database

__all__ = ["cut_back", "for_run", "kinds_with", "since"]


def for_run(db: Database, run_id: int) -> list[Alarm]:
    """The alarms of a run, in the order in which they were raised."""
    with db.read() as session:
        rows = session.scalars(sa.select(AlarmRow).where(AlarmRow.run_id == run_id).order_by(AlarmRow.id))
        return [_alarm(row) for row in rows]


def since(db: Database, mark: int | None) -> tuple[int, tuple[tuple[RunRecord, Alarm], ...]]:
    """The alarms raised since a mark, with their runs; those in the trash are left out.

    Args:
        db: The database.
        mark: What this gave the last time; None for the first time, when none is new.

    Returns:
        The mark for the next time, and the alarms.
    """
    with db.read() as session:
        now = session.scalar(sa.select(sa.func.max(AlarmRow.id))) or 0
        if mark is None or now <= mark:
            return now, ()
        found = session.execute(
            sa.select(RunRow, AlarmRow)
            .join(AlarmRow, AlarmRow.run_id == RunRow.id)
            .where(AlarmRow.id > mark, RunRow.trashed_at.is_(None))
            .order_by(AlarmRow.id)
        ).all()
        return now, tuple((run_record(run), _alarm(alarm)) for run, alarm in found)


def kinds_with(session: Session, run_id: int, alarms: Sequence[Alarm]) -> tuple[str, ...]:
    """Write alarms of a run, those that it has raised before left out; returns the kinds of all that it has raised."""
    rows = session.execute(sa.select(AlarmRow.kind, AlarmRow.layer).where(AlarmRow.run_id == run_id)).all()
    known = {(kind, layer) for kind, layer in rows}
    for alarm in alarms:
        if (alarm.kind, alarm.layer) not in known:
            known.add((alarm.kind, alarm.layer))
            session.add(
                AlarmRow(
                    run_id=run_id,
                    kind=alarm.kind,
                    layer=alarm.layer,
                    step=alarm.step,
                    message=alarm.message,
                    at=alarm.at,
                )
            )
    session.flush()
    return _kinds(kind for kind, _ in known)


def cut_back(session: Session, run_id: int, after: int) -> tuple[str, ...]:
    """Remove the alarms raised after a step; returns the kinds of those that stay."""
    session.execute(
        sa.delete(AlarmRow).where(AlarmRow.run_id == run_id, AlarmRow.step > after),
        execution_options={"synchronize_session": False},
    )
    return _kinds(session.scalars(sa.select(AlarmRow.kind).where(AlarmRow.run_id == run_id)))


def _kinds(kinds: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(kinds)))


def _alarm(row: AlarmRow) -> Alarm:
    return Alarm(row.kind, row.layer, row.step, row.message, row.at)
