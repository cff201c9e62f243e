"""At which step a run's test result was measured, where the run has been resumed since.

A result stays until there is a newer one, also while the run trains on from there. The step is kept beside it, so that
it is not taken for that of the present weights.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.models import RunRow, SettingRow
from db.session import Database

__all__ = ["forget", "keep", "step_of"]


def keep(session: Session, run: RunRow) -> None:
    """Keep the step of a run's test result, where it has one, before the run starts again; within that transaction."""
    key = _key(run.id)
    if run.test_accuracy is not None and session.get(SettingRow, key) is None:
        session.add(SettingRow(key=key, value=run.step))


def forget(session: Session, run_id: int) -> None:
    """Forget the step: there is a newer result, of the run's present step, or the run is deleted."""
    session.execute(sa.delete(SettingRow).where(SettingRow.key == _key(run_id)))


def step_of(db: Database, run_id: int) -> int | None:
    """The step of a test result that is older than the run's latest start; None where it is that of its last step."""
    with db.read() as session:
        row = session.get(SettingRow, _key(run_id))
        return None if row is None else int(row.value)


def _key(run_id: int) -> str:
    return f"tested:{run_id}"
