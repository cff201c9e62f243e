"""The nearest right spelling of a word that is wrong."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["hint"]


def hint(word: object, choices: Iterable[str]) -> str:
    """Name the choice that is nearest to a word, as the end of a sentence; empty where none is near."""
    near = difflib.get_close_matches(str(word), list(choices), n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else ""
