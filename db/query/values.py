"""What the values of a query mean: numbers with their units, and moments of time."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation

from db.query.fields import Unit

__all__ = ["NOTHING", "Span", "boolean", "number", "span"]

NOTHING = ("", "none")
"""What means "nothing was recorded" where a number or a time is asked for."""

_NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?)([%kMGT]?)", re.ASCII)
_SUFFIXES = {"": Decimal(1), "%": Decimal("0.01"), "k": Decimal(10**3), "M": Decimal(10**6), "G": Decimal(10**9)}
_SUFFIXES["T"] = Decimal(10**12)
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0, "y": 365.25 * 86400.0}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?[smhdwy])+", re.ASCII | re.IGNORECASE)
_PIECE = re.compile(r"(\d+(?:\.\d+)?)([smhdwy])", re.ASCII | re.IGNORECASE)
_DATE = re.compile(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2})(?:[T ](\d{1,2}):(\d{2})(?::(\d{2}))?)?)?)?", re.ASCII)
_NONFINITE = {"nan": math.nan, "inf": math.inf, "+inf": math.inf, "-inf": -math.inf}
_TRUTH = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time in unix seconds: `start` belongs to it, `end` does not, unless both are the same moment."""

    start: float
    end: float


def boolean(text: str) -> bool | None:
    """A yes or no; None where the text is neither."""
    return _TRUTH.get(text.lower())


def number(text: str, unit: Unit = "") -> float | int | None:
    """A number as a person writes it: 5, 1e-4, 93%, 100k, nan, -inf, and with unit seconds also 1h30m.

    Returns:
        An int where the value is whole, otherwise a float; None where the text is no number.
    """
    word = text.strip()
    if word.lower() in _NONFINITE:
        return _NONFINITE[word.lower()]
    if unit == "seconds" and _DURATION.fullmatch(word):
        return _seconds(word)
    match = _NUMBER.fullmatch(word)
    if match is None:
        return None
    try:
        # Decimal, so that 5.7% is the same double as 0.057.
        value = Decimal(match[1]) * _SUFFIXES[match[2]]
    except InvalidOperation:
        return None
    if value == value.to_integral_value() and abs(value) < 2**63:
        return int(value)
    return float(value)


def span(text: str, now: float) -> Span | None:
    """The time that a text means, by the local clock.

    `2026`, `2026-11`, `2026-11-01` and `today` are whole years, months and days; `2026-11-01T14:05` is a minute. `2d`
    (also `90m`, `1h30m`, `2w`) is the moment so long ago.

    Args:
        text: What was typed.
        now: Unix seconds.

    Returns:
        None where the text is no time.
    """
    word = text.strip()
    here = datetime.fromtimestamp(now).astimezone()
    midnight = here.replace(hour=0, minute=0, second=0, microsecond=0)
    lower = word.lower()
    if lower == "now":
        return Span(now, now)
    if lower in ("today", "yesterday"):
        first = midnight if lower == "today" else _local(midnight - timedelta(days=1))
        return _between(first, first + timedelta(days=1))
    if _DURATION.fullmatch(word):
        moment = now - _seconds(word)
        return Span(moment, moment)
    return _date(word)


def _date(word: str) -> Span | None:
    match = _DATE.fullmatch(word)
    if match is None:
        return None
    year, month, day, hour, minute, second = (None if part is None else int(part) for part in match.groups())
    try:
        first = datetime(year or 0, month or 1, day or 1, hour or 0, minute or 0, second or 0).astimezone()
        if month is None:
            return _between(first, first.replace(year=first.year + 1))
        if day is None:
            later = first + timedelta(days=32)
            return _between(first, later.replace(day=1))
        if hour is None:
            return _between(first, first + timedelta(days=1))
        return _between(first, first + (timedelta(minutes=1) if second is None else timedelta(seconds=1)))
    except (ValueError, OverflowError):
        return None


def _local(moment: datetime) -> datetime:
    """The same hands of the clock with the offset that holds there: days are 23 or 25 hours long twice a year."""
    return moment.replace(tzinfo=None).astimezone()


def _between(first: datetime, last: datetime) -> Span:
    return Span(first.timestamp(), _local(last).timestamp())


def _seconds(word: str) -> float:
    return sum(float(amount) * _SECONDS[unit.lower()] for amount, unit in _PIECE.findall(word))
