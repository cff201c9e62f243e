"""Settings of this installation: JSON values by key."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from db.errors import StoreError
from db.models import SettingRow
from db.session import Database
from db.text import storable_json

__all__ = ["get", "put", "under"]


def get(db: Database, key: str, default: Any = None) -> Any:
    """The value under a key, or the default where nothing was put there."""
    with db.read() as session:
        row = session.get(SettingRow, key)
        return default if row is None else row.value


def under(db: Database, prefix: str) -> dict[str, Any]:
    """All settings whose keys begin with a prefix, by what follows it."""
    statement = sa.select(SettingRow).where(SettingRow.key.startswith(prefix, autoescape=True)).order_by(SettingRow.key)
    with db.read() as session:
        return {row.key.removeprefix(prefix): row.value for row in session.scalars(statement)}


def put(db: Database, key: str, value: Any) -> None:
    """Keep a JSON value under a key, replacing what was there.

    Raises:
        StoreError: The value is not JSON.
    """
    try:
        storable_json(value)
    except (TypeError, ValueError) as error:
        raise StoreError(f"The setting {key!r} cannot be stored as JSON: {error}.") from error
    with db.write() as session:
        db.exclusive(session, "itop settings")
        session.merge(SettingRow(key=key, value=value))
