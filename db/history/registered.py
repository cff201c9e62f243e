"""The numbers that a database gives to metrics without a column, and the declarations it keeps of them.

A value is stored under a number instead of a name, and the declaration beside it lets a program show a metric that only
the one that recorded it declares: a user's own, for instance.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.errors import StoreError
from db.history.declared import METRICS, Metric, check_declared, declare
from db.models import MetricRow, StepValueRow
from db.session import Database

__all__ = ["learn", "numbers", "recorded", "register"]


def numbers(session: Session) -> dict[str, int]:
    """The number of each metric that this database has recorded, by name."""
    return {row.name: row.id for row in session.execute(sa.select(MetricRow.name, MetricRow.id))}


def register(db: Database, session: Session, names: Iterable[str]) -> dict[str, int]:
    """The numbers of some metrics; those that are new to this database get one.

    Args:
        db: The database.
        session: A write transaction.
        names: Declared metrics.
    """
    wanted = {name: asdict(check_declared(name)) for name in names}
    known = _known(session, wanted)
    if any(name not in known or known[name][1] != declaration for name, declaration in wanted.items()):
        db.exclusive(session, "itop metrics")
        known = _known(session, wanted)  # another run may have registered them meanwhile
        for name, declaration in wanted.items():
            if name not in known:
                session.execute(sa.insert(MetricRow).values(name=name, declaration=declaration))
            elif known[name][1] != declaration:
                session.execute(
                    sa.update(MetricRow).where(MetricRow.id == known[name][0]).values(declaration=declaration),
                    execution_options={"synchronize_session": False},
                )
        known = _known(session, wanted)
    return {name: number for name, (number, _) in known.items()}


def _known(session: Session, names: Iterable[str]) -> dict[str, tuple[int, dict[str, object]]]:
    rows = session.execute(
        sa.select(MetricRow.name, MetricRow.id, MetricRow.declaration).where(MetricRow.name.in_(list(names)))
    )
    return {name: (number, declaration) for name, number, declaration in rows}


def recorded(db: Database, run_ids: Sequence[int]) -> tuple[str, ...]:
    """The metrics without a column of which any of some runs has recorded a value, in the order of declaration."""
    own = StepValueRow.metric_id == MetricRow.id
    there = sa.exists().where(own, StepValueRow.run_id.in_(list(run_ids)))
    with db.read() as session:
        names = session.scalars(sa.select(MetricRow.name).where(there).order_by(MetricRow.id)).all()
    order = {name: place for place, name in enumerate(METRICS)}
    return tuple(sorted(names, key=lambda name: order.get(name, len(order))))


def learn(db: Database) -> tuple[str, ...]:
    """Declare what this database has recorded and this program does not know: the metrics of other programs.

    Returns:
        The names of those that were new.
    """
    with db.read() as session:
        rows = session.execute(sa.select(MetricRow.name, MetricRow.declaration).order_by(MetricRow.id)).all()
    new: list[str] = []
    for name, declaration in rows:
        if name in METRICS:
            continue
        try:
            declare(
                Metric(**{field: declaration[field] for field in Metric.__dataclass_fields__ if field in declaration})
            )
        except (StoreError, TypeError):
            continue  # a newer program's, which this one cannot show
        new.append(name)
    return tuple(new)
