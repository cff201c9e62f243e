"""The types of columns: how a state, a text and the lines of one are stored."""

from __future__ import annotations

from sqlalchemy import Dialect, String, Text
from sqlalchemy.types import TypeDecorator

from db.records import RunStatus
from db.text import storable

__all__ = ["Lines", "Status", "Words"]


class Status(TypeDecorator[RunStatus]):
    """A `RunStatus` stored as its word."""

    impl = String(16)
    cache_ok = True

    def process_bind_param(self, value: RunStatus | None, dialect: Dialect) -> str | None:
        """What is stored."""
        return None if value is None else RunStatus(value).value

    def process_result_value(self, value: str | None, dialect: Dialect) -> RunStatus | None:
        """What was given to be stored."""
        return None if value is None else RunStatus(value)


class Words(TypeDecorator[str]):
    """Text, made `storable` on the way in."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """What is stored."""
        return None if value is None else storable(value)


class Lines(TypeDecorator[tuple[str, ...]]):
    """A tuple of one-line strings stored as text, one a line, so that a filter can search it with LIKE."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: tuple[str, ...] | None, dialect: Dialect) -> str | None:
        """What is stored."""
        return None if value is None else storable("\n".join(value))

    def process_result_value(self, value: str | None, dialect: Dialect) -> tuple[str, ...] | None:
        """What was given to be stored."""
        return None if value is None else tuple(value.split("\n")) if value else ()
