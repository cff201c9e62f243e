"""Saved views of the list of runs: a query, its order, its columns and its groups, under a name."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from types import NoneType
from typing import Any

from sqlalchemy.orm import Session

from db.errors import StoreError
from db.models import SettingRow
from db.query.parser import parse
from db.session import Database

__all__ = ["SavedView", "remove", "save", "views"]

_KEY = "views"


@dataclass(frozen=True, slots=True)
class SavedView:
    """A view of the list of runs.

    Attributes:
        name: What it is called; no two views have one name.
        text: A query in the language of `db.query`.
        sort: What it is sorted by, as in `db.records.RunQuery`.
        descending: Whether the largest comes first.
        columns: The columns, in order; empty for the usual ones.
        group_by: The field it is grouped by, as in `db.finding.grouping.groups`; None for none.
        archived: As in `db.records.RunQuery`.
    """

    name: str
    text: str = ""
    sort: str = "id"
    descending: bool = True
    columns: tuple[str, ...] = ()
    group_by: str | None = None
    archived: bool | None = False


# What a field may be in JSON.
_KINDS: dict[str, tuple[type, ...]] = {
    "name": (str,),
    "text": (str,),
    "sort": (str,),
    "descending": (bool,),
    "columns": (list,),
    "group_by": (str, NoneType),
    "archived": (bool, NoneType),
}


def views(db: Database) -> list[SavedView]:
    """The saved views, in the order in which they were first saved."""
    with db.read() as session:
        return [_view(stored) for stored in _stored(session)]


def save(db: Database, view: SavedView) -> None:
    """Save a view, in the place of one that has its name.

    Raises:
        QueryError: Its query cannot be understood.
        StoreError: Its name is blank.
    """
    parse(view.text)
    if not view.name.strip():
        raise StoreError("The name of a view cannot be blank.")
    with db.write() as session:
        db.exclusive(session, "itop settings")
        kept = _stored(session)
        names = [stored["name"] for stored in kept]
        stored = asdict(view) | {"columns": list(view.columns)}
        if view.name in names:
            kept[names.index(view.name)] = stored
        else:
            kept.append(stored)
        session.merge(SettingRow(key=_KEY, value=kept))


def remove(db: Database, name: str) -> None:
    """Forget a view.

    Raises:
        StoreError: There is no view of this name.
    """
    with db.write() as session:
        db.exclusive(session, "itop settings")
        kept = _stored(session)
        left = [stored for stored in kept if stored["name"] != name]
        if len(left) == len(kept):
            raise StoreError(f"There is no view {name!r}.")
        session.merge(SettingRow(key=_KEY, value=left))


def _stored(session: Session) -> list[dict[str, Any]]:
    """The views as they are stored; what else may stand there is none."""
    row = session.get(SettingRow, _KEY)
    found = row.value if row is not None and isinstance(row.value, list) else []
    return [one for one in found if isinstance(one, dict) and isinstance(one.get("name"), str)]


def _view(stored: dict[str, Any]) -> SavedView:
    # Of a newer version, what this one knows of it.
    known: dict[str, Any] = {
        name: stored[name] for name, kinds in _KINDS.items() if name in stored and isinstance(stored[name], kinds)
    }
    columns = tuple(name for name in known.get("columns", ()) if isinstance(name, str))
    return SavedView(**known | {"columns": columns})
