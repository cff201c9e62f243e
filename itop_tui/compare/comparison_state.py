"""How comparisons were left, as JSON: what the next opening of the same runs, and the next start, shows again.

No widget; what cannot be understood (another version's) is ignored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

SETTING = "ui.compare"
"""Under which name the settings keep it."""
MOST_KEPT = 200
"""Comparisons that are remembered; the one left longest ago is forgotten first."""


@dataclass(frozen=True, slots=True)
class Left:
    """How the comparison of some runs was left: their order, what is hidden, and whether seeds are joined."""

    ids: tuple[int, ...]
    hidden: frozenset[int] = frozenset()
    grouped: bool = False


def left_before(kept: object, ids: Iterable[int]) -> Left | None:
    """How the comparison of these runs, in any order, was left; None where they were not compared before."""
    wanted = frozenset(ids)
    for known in _comparisons(kept):
        if frozenset(known.ids) == wanted:
            return known
    return None


def view_before(kept: object) -> Mapping[str, Any]:
    """How the view was left, for any comparison; empty where it was not opened before."""
    view = kept.get("view") if isinstance(kept, Mapping) else None
    return view if isinstance(view, Mapping) else {}


def with_left(kept: object, left: Left, view: Mapping[str, Any]) -> dict[str, Any]:
    """What the settings hold once a comparison has been left, beside what they held."""
    others = [known for known in _comparisons(kept) if frozenset(known.ids) != frozenset(left.ids)]
    return {"view": dict(view), "comparisons": [_as_json(each) for each in [left, *others][:MOST_KEPT]]}


def _as_json(left: Left) -> dict[str, Any]:
    return {"runs": list(left.ids), "hidden": sorted(left.hidden), "grouped": left.grouped}


def _comparisons(kept: object) -> list[Left]:
    found = kept.get("comparisons") if isinstance(kept, Mapping) else None
    comparisons = []
    for each in found if isinstance(found, list) else []:
        ids = _numbers(each.get("runs")) if isinstance(each, Mapping) else ()
        if ids and len(set(ids)) == len(ids):
            hidden = frozenset(_numbers(each.get("hidden"))) & set(ids)
            comparisons.append(Left(ids, hidden, each.get("grouped") is True))
    return comparisons


def _numbers(value: object) -> tuple[int, ...]:
    numbers = value if isinstance(value, list) else []
    return tuple(number for number in numbers if isinstance(number, int) and not isinstance(number, bool))


def choice(kept: object, choices: tuple[str, ...]) -> str:
    """What was kept, where it is one of the choices; else the first one."""
    return kept if isinstance(kept, str) and kept in choices else choices[0]
