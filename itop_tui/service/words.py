"""Numbers and values in sentences, as the service, the app and the command line write them."""

from __future__ import annotations

import math

UNKNOWN = "–"
"""A number that is not known yet."""

DEMO_LENGTH = "under two minutes"
"""How long the demonstration takes on two cores, wherever that is said; half a minute where nothing else runs."""


def no_number(value: float | None) -> str | None:
    """Name a value that is not a finite number, or give None for one that is."""
    if value is None:
        return UNKNOWN
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return None


def short_count(value: float | None) -> str:
    """Write a number in at most five characters: "950", "266k", "11.3M", "8.2G"."""
    strange = no_number(value)
    if strange is not None or value is None:
        return strange or UNKNOWN
    size = float(value)
    for letter in ("", "k", "M", "G", "T", "P", "E"):
        if abs(size) < 999.5 or letter == "E":
            break
        size /= 1000
    if not letter:
        return f"{size:.0f}"
    return (f"{size:.1f}" if abs(size) < 99.95 else f"{size:.0f}") + letter


def rate(value: float | None) -> str:
    """Write samples a second: "12.3k/s"."""
    strange = no_number(value)
    return strange if strange is not None else f"{short_count(value)}/s"


def plural(number: int, noun: str, many: str | None = None) -> str:
    """Write a number with its noun: "1 run", "3 runs"."""
    return f"{number:,} {noun if number == 1 else many or noun + 's'}"


def short_value(value: object) -> str:
    """A setting's value as the names of runs hold it."""
    if value is None or isinstance(value, bool):
        return {None: "none", True: "on", False: "off"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)
