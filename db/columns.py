"""The types of columns: how a state, a text, the lines of one and values by name are stored."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from sqlalchemy import JSON, Dialect, String, Text
from sqlalchemy.types import TypeDecorator

from db.records import RunStatus
from db.text import storable

__all__ = ["Lines", "MetricValues", "Status", "Words"]


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


class MetricValues(TypeDecorator[Mapping[str, float]]):
    """Values of metrics by name, as a JSON object; one that is not finite is a string, which JSON has no number for."""

    impl = JSON(none_as_null=True)
    cache_ok = True

    def process_bind_param(self, value: Mapping[str, float] | None, dialect: Dialect) -> dict[str, Any] | None:
        """What is stored; nothing where there is no value."""
        if not value:
            return None
        return {name: number if math.isfinite(number) else str(number) for name, number in value.items()}

    def process_result_value(self, value: Any, dialect: Dialect) -> dict[str, float]:
        """What was given to be stored."""
        return {name: float(number) for name, number in (value or {}).items()}
