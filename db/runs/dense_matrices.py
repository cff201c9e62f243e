"""How much of a run's network its masks cover: the matrices that stay dense, noted when an attempt starts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from db.models import SettingRow
from db.session import Database
from db.text import storable

__all__ = ["for_run", "forget", "note"]


def note(db: Database, run_id: int, coverage: Mapping[str, Any]) -> None:
    """Keep the coverage of a run, as `engine.sparsity.Coverage.as_dict` gives it, instead of what was kept before.

    Args:
        db: The database.
        run_id: The run.
        coverage: That, and what else is known of how the network is computed (`execution`).
    """
    matrices = [{**one, "name": storable(one["name"]), "why": storable(one["why"])} for one in coverage["dense"]]
    texts = {key: storable(value) for key, value in coverage.items() if isinstance(value, str)}
    with db.write() as session:
        session.merge(SettingRow(key=_key(run_id), value={**coverage, **texts, "dense": matrices}))


def for_run(db: Database, run_id: int) -> dict[str, Any] | None:
    """The coverage of a run as it was when its latest attempt started; None for a dense run, and for an older one."""
    with db.read() as session:
        row = session.get(SettingRow, _key(run_id))
        return None if row is None else dict(row.value)


def forget(session: Session, run_id: int) -> None:
    """Forget the coverage of a run that is deleted, within that transaction."""
    row = session.get(SettingRow, _key(run_id))
    if row is not None:
        session.delete(row)


def _key(run_id: int) -> str:
    return f"coverage:{run_id}"
