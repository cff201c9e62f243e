"""Settings of this installation: JSON values by key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from db.errors import StoreError
from db.models import SettingRow
from db.session import Database
from db.text import storable_json

__all__ = ["change", "get", "put", "under"]

_LOCK = "itop settings"


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
    _check(key, value)
    with db.write() as session:
        db.exclusive(session, _LOCK)
        session.merge(SettingRow(key=key, value=value))


def change(db: Database, key: str, to: Callable[[Any], Any]) -> None:
    """Replace the value under a key by another one that is made of it, in one transaction.

    Two processes that change parts of the same value do not lose each other's change, as they would with `get` and
    `put`.

    Args:
        db: The database.
        key: The key.
        to: Given the value, None where there is none, returns the new one; it does nothing else.

    Raises:
        StoreError: The new value is not JSON.
    """
    with db.write() as session:
        db.exclusive(session, _LOCK)
        row = session.get(SettingRow, key)
        value = to(None if row is None else row.value)
        _check(key, value)
        session.merge(SettingRow(key=key, value=value))


def _check(key: str, value: Any) -> None:
    try:
        storable_json(value)
    except (TypeError, ValueError) as error:
        raise StoreError(f"The setting {key!r} cannot be stored as JSON: {error}.") from error
