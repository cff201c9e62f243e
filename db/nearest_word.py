"""The nearest right spelling of a word that is wrong."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["near", "nearest"]


def near(word: object, choices: Iterable[str], most: int = 1, likeness: float = 0.5) -> list[str]:
    """The choices whose spelling is near to a word's, the nearest first; case, `-` and `_` make no difference.

    Args:
        word: What was typed.
        choices: What is allowed.
        most: How many are given back at most.
        likeness: How alike two spellings must be, from 0 to 1 (`difflib.SequenceMatcher.ratio`).
    """
    by_folded: dict[str, str] = {}
    for choice in choices:
        by_folded.setdefault(_folded(choice), choice)
    found = difflib.get_close_matches(_folded(str(word)), by_folded, n=most, cutoff=likeness)
    return [by_folded[one] for one in found]


def nearest(word: object, choices: Iterable[str], likeness: float = 0.5) -> str | None:
    """The choice whose spelling is nearest to a word's, where one is near enough."""
    return next(iter(near(word, choices, likeness=likeness)), None)


def _folded(text: str) -> str:
    return text.casefold().replace("-", "_")
