"""The types of columns: how a state, a text, the lines of one and values by name are stored.

A cell may hold anything: a disk, another program or a person changed it. What a column cannot hold is read as a value
of the right type that is marked as damaged (`Damaged`), so that one bad cell breaks nothing but its own row, and
`db.rows` can name it. PostgreSQL refuses most of these values when they are written; SQLite takes any.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, Dialect, Double, Integer, String, Text
from sqlalchemy.types import TypeDecorator

from db.records import RunStatus
from db.text import storable

__all__ = [
    "UNKNOWN_STATUS",
    "Count",
    "Damaged",
    "DamagedFloat",
    "DamagedInt",
    "DamagedText",
    "Flag",
    "Json",
    "Large",
    "LargeCount",
    "Lines",
    "MetricValues",
    "Moment",
    "Number",
    "Short",
    "Status",
    "Uid",
    "Whole",
    "Words",
    "as_status",
    "as_text",
    "as_uid",
    "decoded",
]

_LATEST_MOMENT = 32_503_680_000.0  # the year 3000, in unix seconds
_SMALL, _LARGE = 2**31, 2**63
_UID_CHARACTERS = frozenset("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_")
_LONGEST_UID = 64


class Damaged:
    """A value in place of one that its column cannot hold."""

    __slots__ = ()


class DamagedText(Damaged, str):
    """Text in place of what is no text, or not UTF-8: as much of it as can be shown."""

    __slots__ = ()


class DamagedInt(Damaged, int):
    """A 0 in place of what is no such whole number."""


class DamagedFloat(Damaged, float):
    """A nan in place of what is no such number."""

    __slots__ = ()


class _DamagedDict(Damaged, dict[str, Any]):
    pass


class _DamagedList(Damaged, list[Any]):
    pass


class _DamagedLines(Damaged, tuple[str, ...]):
    __slots__ = ()


def _unknown_status() -> RunStatus:
    """A state like `LOST` that is no member of its own: what became of a run whose state is damaged is not known."""
    made = str.__new__(RunStatus, RunStatus.LOST.value)
    made._name_, made._value_ = RunStatus.LOST.name, RunStatus.LOST.value
    return made


UNKNOWN_STATUS = _unknown_status()
"""What a state is read as that there is not; equal to `RunStatus.LOST`, but not the same object."""

_NOT_A_WHOLE, _NOT_A_NUMBER = DamagedInt(0), DamagedFloat(math.nan)


def decoded(data: bytes) -> str:
    """Text of a SQLite file, which need not be UTF-8."""
    try:
        return str(data, "utf-8")
    except UnicodeDecodeError:
        return DamagedText(data.decode("utf-8", "replace"))


def as_text(value: Any) -> str | None:
    """A cell of text; marked as damaged where it is something else."""
    if value is None or type(value) is str or type(value) is DamagedText:
        return value
    return DamagedText(value.decode("utf-8", "replace") if isinstance(value, bytes) else value)


def as_uid(value: Any) -> str | None:
    """The name of a run's folder: nothing that leads elsewhere."""
    if type(value) is str and 0 < len(value) <= _LONGEST_UID and _UID_CHARACTERS.issuperset(value):
        return value
    return None if value is None else DamagedText("damaged")


def _as_number(value: Any) -> float | None:
    if value is None or type(value) is float:
        return value
    if type(value) is int:
        return float(value)
    return _NOT_A_NUMBER


def _as_moment(value: Any) -> float | None:
    if value is None or (type(value) in (float, int) and 0 <= value < _LATEST_MOMENT):
        return value  # type: ignore[no-any-return]
    return _NOT_A_NUMBER


def _as_flag(value: Any) -> Any:
    if value is None:
        return None
    return bool(value) if type(value) in (int, bool) and value in (0, 1) else _NOT_A_WHOLE


def _in_range(least: int, limit: int) -> Callable[[Any], int | None]:
    def as_whole(value: Any) -> int | None:
        if value is None or (type(value) is int and least <= value < limit):
            return value
        return _NOT_A_WHOLE

    return as_whole


_as_whole, _as_count = _in_range(-_SMALL, _SMALL), _in_range(0, _SMALL)
_as_large, _as_large_count = _in_range(-_LARGE, _LARGE), _in_range(0, _LARGE)


class Whole(Integer):
    """A whole number of 32 bits."""

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], int | None]:
        """What is made of a cell."""
        return _as_whole


class Count(Integer):
    """A whole number of 31 bits, from 0."""

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], int | None]:
        """What is made of a cell."""
        return _as_count


class Large(BigInteger):
    """A whole number of 64 bits."""

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], int | None]:
        """What is made of a cell."""
        return _as_large


class LargeCount(BigInteger):
    """A whole number of 63 bits, from 0."""

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], int | None]:
        """What is made of a cell."""
        return _as_large_count


class Number(Double[float]):
    """A number, which may be infinite."""

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], float | None]:
        """What is made of a cell."""
        return _as_number


class Moment(Double[float]):
    """A time in unix seconds, between 1970 and the year 3000."""

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], float | None]:
        """What is made of a cell."""
        return _as_moment


class Flag(Boolean):
    """True or false."""

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], bool | None]:
        """What is made of a cell."""
        return _as_flag


class Short(String):
    """Text of at most so many characters."""

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], str | None]:
        """What is made of a cell."""
        return as_text


class Uid(String):
    """The name of a run's folder."""

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], str | None]:
        """What is made of a cell."""
        return as_uid


class Status(TypeDecorator[RunStatus]):
    """A `RunStatus` stored as its word."""

    impl = String(16)
    cache_ok = True

    def process_bind_param(self, value: RunStatus | None, dialect: Dialect) -> str | None:
        """What is stored."""
        return None if value is None else RunStatus(value).value

    def process_result_value(self, value: Any, dialect: Dialect) -> RunStatus | None:
        """What was given to be stored; `UNKNOWN_STATUS` for a word that is no state."""
        return None if value is None else as_status(value)


def as_status(word: Any) -> RunStatus:
    """A state by its word; `UNKNOWN_STATUS` for one that there is not."""
    return _STATUSES.get(word, UNKNOWN_STATUS)


_STATUSES: dict[Any, RunStatus] = {status.value: status for status in RunStatus}


class Words(TypeDecorator[str]):
    """Text, made `storable` on the way in."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """What is stored."""
        return None if value is None else storable(value)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], str | None]:
        """What was given to be stored."""
        return as_text


class Lines(TypeDecorator[tuple[str, ...]]):
    """A tuple of one-line strings stored as text, one a line, so that a filter can search it with LIKE."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: tuple[str, ...] | None, dialect: Dialect) -> str | None:
        """What is stored."""
        return None if value is None else storable("\n".join(value))

    def process_result_value(self, value: Any, dialect: Dialect) -> tuple[str, ...] | None:
        """What was given to be stored."""
        if value is None or type(value) is str:
            return None if value is None else tuple(value.split("\n")) if value else ()
        return _DamagedLines((as_text(value) or "").split("\n"))


class Json(TypeDecorator[Any]):
    """A JSON value; one that is no JSON, or of another kind, is read as an empty one of the right kind.

    Args:
        kind: `dict` or `list`, or None for any JSON value; of these a damaged one is read as an empty object.
        none_as_null: Whether None is stored as NULL, not as JSON's null.
    """

    impl = JSON
    cache_ok = True

    def __init__(self, kind: type[dict[str, Any]] | type[list[Any]] | None = None, *, none_as_null: bool = False):
        super().__init__(none_as_null=none_as_null)
        self.kind = kind
        self.none_as_null = none_as_null
        self.should_evaluate_none = not none_as_null

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any]:
        """What was given to be stored."""
        inner = super().result_processor(dialect, coltype)
        kind, damaged = self.kind, _DamagedList if self.kind is list else _DamagedDict

        def process(value: Any) -> Any:
            if isinstance(value, Damaged):
                return damaged()
            try:
                found = value if inner is None else inner(value)
            except (ValueError, TypeError, RecursionError):
                return damaged()
            return found if kind is None or found is None or type(found) is kind else damaged()

        return process


class MetricValues(TypeDecorator[Mapping[str, float]]):
    """Values of metrics by name, as a JSON object; one that is not finite is a string, which JSON has no number for."""

    impl = Json(dict, none_as_null=True)
    cache_ok = True

    def process_bind_param(self, value: Mapping[str, float] | None, dialect: Dialect) -> dict[str, Any] | None:
        """What is stored; nothing where there is no value."""
        if not value:
            return None
        return {name: number if math.isfinite(number) else str(number) for name, number in value.items()}

    def process_result_value(self, value: Any, dialect: Dialect) -> dict[str, float]:
        """What was given to be stored."""
        if isinstance(value, Damaged):
            return value  # type: ignore[return-value]
        try:
            return {name: float(number) for name, number in (value or {}).items()}
        except (TypeError, ValueError, OverflowError):
            return _DamagedDict()
