"""The driver's own rows of numbers as an array: faster than through columns, which mark what is damaged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NUMBERS = frozenset({int, float, type(None)})


def as_doubles(rows: Sequence[tuple[Any, ...]]) -> NDArray[Any]:
    """Rows of numbers as doubles, None as nan; a row with a cell that is no number is left out.

    Args:
        rows: The rows, all of one length.

    Returns:
        An array of shape (rows that are whole, cells of a row), float64.
    """
    import numpy as np

    try:
        return np.array(rows, dtype=np.float64)
    except (ValueError, TypeError):  # text in a number: looked for only here, as it takes longer than the conversion
        whole = [row for row in rows if all(type(cell) in _NUMBERS for cell in row)]
        return np.array(whole, dtype=np.float64).reshape(len(whole), len(rows[0]))
