"""How figures, times and names are written on every screen: pure functions, no widgets, no clock of their own.

A figure that is not known yet is `UNKNOWN`; one that diverged is written "NaN" or "∞", never left blank, so
that a run which diverged differs from a run which has not reported.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from rich.cells import cell_len, chop_cells

from itop_tui.service.words import UNKNOWN as UNKNOWN
from itop_tui.service.words import no_number
from itop_tui.service.words import plural as plural
from itop_tui.service.words import rate as rate
from itop_tui.service.words import short_count as short_count

if TYPE_CHECKING:
    from db.records import RunRecord

MASK_FIGURES = frozenset({"itop_rate", "death_rate"})
"""Figures of a step that say nothing of a dense run: it explores nothing, and nothing of it dies."""

_MINUTE, _HOUR, _DAY, _WEEK, _YEAR = 60, 3600, 86_400, 604_800, 31_557_600
_SPARKS = "▁▂▃▄▅▆▇█"
_LONGEST = 4_000
"""Characters of a hostile name that are looked at at all; no cell is wider than this."""


# CSI sequences, then strings (OSC, DCS, APC, PM, SOS) up to their end or the line's, then two-character escapes.
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f]).*?(?:\x07|\x1b\\|\x9c|$)"
    r"|\x1b[ -/]*[0-~]?"
)


def without_escapes(line: str) -> str:
    """One line of a log without the escape sequences of a terminal; other control characters stay.

    A line that was written over (a progress bar, by carriage returns) is given as it was written last.
    """
    text = _ESCAPES.sub("", line.rstrip("\r\n"))
    if "\r" not in text:
        return text
    return next((part for part in reversed(text.split("\r")) if part), "")


def plain(text: str, limit: int = _LONGEST) -> str:
    """Make any text safe to show in one line of a terminal.

    Line breaks and tabs become spaces, other control characters become their visible pictures (ESC is shown as
    "␛"), and invisible formatting characters (directional overrides, zero-width joiners, variation selectors)
    are left out, since they move what stands beside them.
    """
    if text.isascii() and text.isprintable() and len(text) <= limit:
        return text
    shown: list[str] = []
    for character in text[:limit]:
        code = ord(character)
        if character in "\n\r\t\v\f":
            shown.append(" ")
        elif code < 0x20:
            shown.append(chr(0x2400 + code))
        elif code == 0x7F:
            shown.append("␡")
        elif 0xFE00 <= code <= 0xFE0F or unicodedata.category(character) == "Cf":
            continue
        elif unicodedata.category(character) in {"Cc", "Cs", "Co", "Cn"}:
            shown.append("\N{REPLACEMENT CHARACTER}")
        elif unicodedata.category(character) in {"Zl", "Zp"}:
            shown.append(" ")
        else:
            shown.append(character)
    return "".join(shown)


def fit(text: str, width: int, *, right: bool = False) -> str:
    """Cut or pad a text to exactly `width` terminal cells, marking a cut with an ellipsis."""
    if width <= 0:
        return ""
    shown = plain(text, limit=4 * width + 8)
    if cell_len(shown) > width:
        shown = (chop_cells(shown, width - 1)[0] if width > 1 else "") + "…"
    padding = " " * (width - cell_len(shown))
    return padding + shown if right else shown + padding


def shortened(text: str, width: int) -> str:
    """A text in at most so many cells, cut in its middle: of names that begin alike, the end says more."""
    shown = plain(text, limit=_LONGEST)
    if cell_len(shown) <= width:
        return shown
    if width <= 2:
        return fit(shown, width)
    end = (width - 1) // 2
    tail = chop_cells(shown[::-1], end)[0][::-1]
    return f"{chop_cells(shown, width - 1 - end)[0]}…{tail}"


def duration(seconds: float | None) -> str:
    """Write a length of time: "9s", "4m 12s", "3h 05m", "2d 4h"."""
    if seconds is None or not math.isfinite(seconds):
        return UNKNOWN
    whole = max(0, int(seconds))
    if whole < _MINUTE:
        return f"{whole}s"
    if whole < _HOUR:
        return f"{whole // _MINUTE}m {whole % _MINUTE:02d}s"
    if whole < _DAY:
        return f"{whole // _HOUR}h {whole % _HOUR // _MINUTE:02d}m"
    return f"{whole // _DAY}d {whole % _DAY // _HOUR}h"


def age(seconds: float | None) -> str:
    """Write how long ago something was, in at most four cells: "12s", "4m", "3h", "2d", "5w", "3y"."""
    if seconds is None or not math.isfinite(seconds):
        return UNKNOWN
    whole = max(0, int(seconds))
    for unit, letter, until in (
        (1, "s", _MINUTE),
        (_MINUTE, "m", _HOUR),
        (_HOUR, "h", 2 * _DAY),
        (_DAY, "d", 4 * _WEEK),
        (_WEEK, "w", 2 * _YEAR),
    ):
        if whole < until:
            return f"{whole // unit}{letter}"
    return f"{whole // _YEAR}y"


def age_of(since: float | None, now: float) -> str:
    """Write the age that what began at a moment has by now; both in unix seconds."""
    return UNKNOWN if since is None else age(now - since)


def moment(at: float | None) -> str:
    """Write a point in time (unix seconds) in the local time zone: "2026-03-01 14:05:09"."""
    if at is None or not math.isfinite(at):
        return UNKNOWN
    return datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def percent(value: float | None, digits: int = 2) -> str:
    """Write a share between 0 and 1: 0.9861 becomes "98.61%"."""
    strange = no_number(value)
    if strange is not None or value is None:
        return strange or UNKNOWN
    return f"{value * 100:.{digits}f}%"


def share(value: float | None) -> str:
    """Write a share with as many digits as it needs: "100%", "5%", "12.5%", "0.1%", "0.05%"."""
    strange = no_number(value)
    if strange is not None or value is None:
        return strange or UNKNOWN
    number = value * 100
    if number and abs(number) < 0.01:
        return f"{number:.1e}%"
    return f"{number:.2f}".rstrip("0").rstrip(".") + "%"


def figure(value: float | None, digits: int = 4) -> str:
    """Write a number with at most `digits` significant digits: "2.303", "0.0312", "5e-07", "1.235e+09"."""
    strange = no_number(value)
    if strange is not None or value is None:
        return strange or UNKNOWN
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(abs(value)))
    if not -4 <= exponent <= 6:
        mantissa, _, power = f"{value:.{digits - 1}e}".partition("e")
        return f"{_trimmed(mantissa)}e{power}"
    return _trimmed(f"{value:.{max(0, digits - 1 - exponent)}f}")


def _trimmed(number: str) -> str:
    """Leave out the zeros that end a decimal fraction."""
    return number.rstrip("0").rstrip(".") if "." in number else number


def ratio(value: float | None, digits: int = 2) -> str:
    """Write a number between 0 and 1 with so many decimals: "0.34"."""
    strange = no_number(value)
    return strange if strange is not None else f"{value:.{digits}f}"


def r_s(value: float | None) -> str:
    """Write an exploration rate as the papers do, as a fraction: "0.158"."""
    return ratio(value, 3)


def count(value: int | None) -> str:
    """Write a whole number with thousands separated: "266,200"."""
    return UNKNOWN if value is None else f"{value:,}"


def whole(value: float | None) -> str:
    """Write a count, or the mean of some, without decimals: "13,310"."""
    return count(round(value)) if value is not None and math.isfinite(value) else figure(value)


def explored(run: RunRecord) -> float | None:
    """The R_s of a run, the share of its weights ever active; None for a dense run, which explores nothing."""
    return None if run.method == "dense" else run.itop_rate


def size(number: float | None) -> str:
    """Write an amount of memory or disk: "512 B", "12.4 MB"."""
    strange = no_number(number)
    if strange is not None or number is None:
        return strange or UNKNOWN
    amount = float(number)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if amount < 1000 or unit == "TB":
            break
        amount /= 1000
    return f"{amount:.0f} B" if unit == "B" else f"{amount:.1f} {unit}"


def energy(watt_hours: float | None) -> str:
    """Write an energy: "0.042 Wh", "12.3 Wh", "1.23 kWh"."""
    if watt_hours is None or not math.isfinite(watt_hours):
        return no_number(watt_hours) or UNKNOWN
    return f"{figure(watt_hours / 1000, 3)} kWh" if watt_hours >= 1000 else f"{figure(watt_hours, 3)} Wh"


def steps(step: int, total: int) -> str:
    """Write how far a run is: "1,200 / 97,750"; only the first where the length is not known."""
    return f"{step:,} / {total:,}" if total > 0 else f"{step:,}"


def bar(fraction: float, width: int) -> tuple[str, str]:
    """Draw a progress bar of half-cell resolution: its filled and its empty part, together exactly `width` cells."""
    if width <= 0:
        return "", ""
    fraction = 0.0 if math.isnan(fraction) else min(1.0, max(0.0, fraction))
    halves = int(fraction * width * 2)
    filled = "━" * (halves // 2) + ("╸" if halves % 2 else "")
    return filled, "─" * (width - len(filled))


def sparkline(values: Sequence[float], width: int, *, log: bool = False) -> str:
    """Draw a series in one line of block characters, the largest value of each column standing.

    Values that are not finite are drawn as "×", so that a run which diverged shows it. With `log`, heights are those of
    a logarithmic axis, where all finite values are positive: a loss that falls by powers of ten shows all of them.
    """
    if not values or width <= 0:
        return ""
    if log and all(value > 0 for value in values if math.isfinite(value)):
        values = [math.log(value) if math.isfinite(value) else value for value in values]
    columns = min(width, len(values))
    tops: list[float] = []
    for column in range(columns):
        chunk = values[column * len(values) // columns : (column + 1) * len(values) // columns]
        tops.append(math.nan if any(not math.isfinite(value) for value in chunk) else max(chunk))
    finite = [value for value in tops if math.isfinite(value)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 0.0)
    spread = high - low
    drawn: list[str] = []
    for value in tops:
        if not math.isfinite(value):
            drawn.append("×")
        else:
            level = (value - low) / spread if spread > 0 else 0.0
            drawn.append(_SPARKS[min(len(_SPARKS) - 1, int(level * len(_SPARKS)))])
    return "".join(drawn)
