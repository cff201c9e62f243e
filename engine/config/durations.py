"""Lengths of time as people write them: "90m", "12h", "2d", "1h30m"."""

from __future__ import annotations

import math
import re

__all__ = ["ALLOWED", "parse", "spoken", "written"]

ALLOWED = "a length of time above 0, such as 90m, 12h, 2d or 1h30m; a number alone is in seconds"
"""What `parse` takes, in words."""

_UNITS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0}
_WORDS = {"d": "d", "h": "h", "m": "min", "s": "s"}
_NAMES = {"day": "d", "hour": "h", "hr": "h", "minute": "m", "min": "m", "second": "s", "sec": "s"}
_PART = re.compile(r"(\d+(?:\.\d+)?)([a-z]+)")


def parse(value: object) -> float:
    """Read a length of time.

    Args:
        value: Seconds, as a number or as text; or text with units, the larger before the smaller.

    Returns:
        Seconds.

    Raises:
        ValueError: It is nothing of the kind, or not above 0; the message says what is allowed.

    >>> parse("1h30m"), parse("2 days"), parse(90)
    (5400.0, 172800.0, 90.0)
    """
    seconds = math.nan
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value)
    elif isinstance(value, str):
        seconds = _read("".join(value.lower().split()))
    if not (math.isfinite(seconds) and seconds > 0):
        raise ValueError(f"must be {ALLOWED}")
    return seconds


def _read(text: str) -> float:
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return math.nan
    units = [_NAMES.get(unit.removesuffix("s") or unit, unit) for _, unit in parts]
    order = [list(_UNITS).index(unit) if unit in _UNITS else -1 for unit in units]
    if -1 in order or order != sorted(set(order)):
        return math.nan
    return sum(float(number) * _UNITS[unit] for (number, _), unit in zip(parts, units, strict=True))


def written(seconds: float) -> str:
    """Write a length of time as `parse` reads it, to the second where it is a second or more.

    >>> written(5400), written(43_200), written(0.5)
    ('1h30m', '12h', '0.5')
    """
    if seconds < 1:
        return f"{seconds:g}"
    return "".join(f"{number}{unit}" for number, unit in _split(seconds))


def spoken(seconds: float) -> str:
    """Write a length of time for a sentence.

    >>> spoken(5400), spoken(43_200), spoken(0.5)
    ('1 h 30 min', '12 h', '0.5 s')
    """
    if seconds < 1:
        return f"{seconds:g} s"
    return " ".join(f"{number} {_WORDS[unit]}" for number, unit in _split(seconds))


def _split(seconds: float) -> list[tuple[int, str]]:
    left = round(seconds)
    parts = []
    for unit, size in _UNITS.items():
        number, left = divmod(left, int(size))
        if number:
            parts.append((number, unit))
    return parts
