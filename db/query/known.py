"""What the runs hold in a field: the values that a completion offers."""

from __future__ import annotations

from collections import Counter
from typing import Any

import sqlalchemy as sa

from db.models import RunRow
from db.query.fields import FLAGS, STATE_WORDS, STATES, Field, find_field
from db.query.settings_sql import setting_number, setting_text
from db.query.sql import text_of
from db.session import Database

__all__ = ["known_values"]

_MOST = 200


def known_values(db: Database, field: str) -> list[str]:
    """The values that runs have in a field, as they would be typed, the most frequent first; at most 200.

    Args:
        db: The database.
        field: A name or alias of a field; a word that is none has no values, and times have none worth offering.
    """
    found = find_field(field)
    if found is None or found.kind == "time":
        return []
    if found.kind == "state":
        return list(STATE_WORDS)
    if found.kind == "flag":
        return ["true", "false"] if found.setting else [*FLAGS, *STATES]
    counted: Counter[str] = Counter()
    with db.read() as session:
        for column in _columns(found):
            rows = session.execute(
                sa.select(column, sa.func.count())
                .where(column.is_not(None), RunRow.trashed_at.is_(None))
                .group_by(sa.literal_column("1"))
                .order_by(sa.func.count().desc(), sa.literal_column("1"))
                .limit(_MOST)
            )
            for value, count in rows:
                for text in _typed(value):
                    counted[text] += count
    return [text for text, _ in counted.most_common(_MOST)]


def _columns(field: Field) -> list[sa.ColumnElement[Any]]:
    if field.setting:
        if field.kind == "any":
            return [setting_text(field.setting), setting_number(field.setting)]
        return [text_of(field) if field.kind == "text" else setting_number(field.setting, certain=True)]
    return [getattr(RunRow, field.column)] if field.column else []


def _typed(value: Any) -> list[str]:
    if isinstance(value, tuple):  # tags
        return list(value)
    if isinstance(value, float):
        return [f"{value:.10g}"]
    return [str(value)] if value != "" else []
