"""When an alarm is raised: `[alarms]` in ``config.toml``, which workers read when they start.

[alarms]
on = ["collapse", "dead_outputs", "nonfinite", "stalled", "diverged"]
collapse = 0.05          # a layer has less than this share of its first density, beside what the network has
dead_outputs = 0.95      # a larger share of a layer's outputs has no active weight
stalled_updates = 20     # so many mask updates move weights, and none is new
diverged = 2.0           # the smoothed loss is so many times its best, and near where it began,
diverged_steps = 200     # for so many steps
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from db.records import ALARM_KINDS
from engine.config.settings_file import LONGEST_QUOTE, quoted, text_of
from engine.spelling import hint

__all__ = ["Thresholds", "parse", "read"]


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When an alarm is raised.

    The defaults are beyond what healthy runs of lenet300-100 do on digits and MNIST, where RigL at a density of 2 %
    leaves four fifths of the first layer's outputs without a weight.

    Attributes:
        on: The kinds of alarms that are raised; see `db.records.ALARM_KINDS`.
        collapse: The share of a layer's first density, as a share of the same of the whole network, below which the
            layer has collapsed. So pruning that makes all layers sparser raises no alarm.
        dead_outputs: The share of a layer's outputs without an active weight above which there are too many.
        stalled_updates: The mask updates in a row that move weights without one that was never active before.
        diverged: How many times its best the smoothed loss is.
        diverged_steps: For how many steps in a row.
    """

    on: tuple[str, ...] = tuple(ALARM_KINDS)
    collapse: float = 0.05
    dead_outputs: float = 0.95
    stalled_updates: int = 20
    diverged: float = 2.0
    diverged_steps: int = 200


_ALLOWED: Mapping[str, tuple[float, float, str]] = {
    "collapse": (0.0, 1.0, "a number from 0 to 1"),
    "dead_outputs": (0.0, 1.0, "a number from 0 to 1"),
    "stalled_updates": (1, math.inf, "a whole number from 1 on"),
    "diverged": (1.0, math.inf, "a number from 1 on"),
    "diverged_steps": (1, math.inf, "a whole number from 1 on"),
}


def parse(given: object) -> tuple[Thresholds, tuple[str, ...]]:
    """The thresholds of a table, and a sentence for each entry that makes no sense and is ignored."""
    if not isinstance(given, dict):
        return Thresholds(), (f"alarms = {quoted(given)}: must be a table of thresholds",)
    found, problems = Thresholds(), []
    known = [field.name for field in fields(Thresholds)]
    for name, value in given.items():
        if name not in known:
            problems.append(
                f"{quoted(name)} in [alarms]: there is no such setting; there are {', '.join(known)}"
                f"{hint(name[:LONGEST_QUOTE], known)}"
            )
        elif name == "on":
            if isinstance(value, list) and all(isinstance(kind, str) and kind in ALARM_KINDS for kind in value):
                found = replace(found, on=tuple(value))
            else:
                problems.append(f"alarms.on = {quoted(value)}: must be a list of {', '.join(ALARM_KINDS)}")
        elif _fits(name, value):
            found = replace(found, **{name: value})
        else:
            problems.append(f"alarms.{name} = {quoted(value)}: must be {_ALLOWED[name][2]}")
    return found, tuple(problems)


def _fits(name: str, value: object) -> bool:
    low, high, what = _ALLOWED[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        number = float(value)
    except OverflowError:  # of hundreds of digits
        return False
    return not ("whole" in what and isinstance(value, float)) and low <= number <= high


def read(path: Path) -> tuple[Thresholds, tuple[str, ...]]:
    """The thresholds of a file, as `parse` gives them; the defaults where there is none, or it cannot be read."""
    try:
        given: dict[str, Any] = tomllib.loads(text_of(path))
    except FileNotFoundError:
        return Thresholds(), ()
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        return Thresholds(), (f"{path.name} cannot be read ({type(error).__name__}); alarms have their defaults",)
    return parse(given.get("alarms", {}))
