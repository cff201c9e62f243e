"""What a chart says at its cursor: the position and the values, in as few lines as they need.

Values are always whole. Where there is little room, names are shortened in their middle, and further lines are used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from itop_tui.figures.format import shortened

_GAP = 2
"""Columns between two parts."""
_SHORTEST = (40, 24, 16, 12, 9, 7, 5, 4)
"""Cells to which names are shortened, one after the other; in one line they keep more."""
_IN_ONE_LINE = 9


@dataclass(frozen=True, slots=True)
class ReadingPart:
    """A part of a reading: a value, and what it is of."""

    value: str
    name: str = ""

    def within(self, cells: int) -> str:
        """The part with its name in so many cells at most."""
        return f"{shortened(self.name, cells)} {self.value}".strip()


def laid_out(parts: Sequence[ReadingPart], beside: int, width: int, most: int) -> list[str]:
    """The lines of a reading, `most` at most: the first has room `beside` the title, the others the whole width.

    The first is empty where nothing fits beside the title. What does not fit into the last line is cut.
    """
    for count in range(1, most + 1):
        for cells in _SHORTEST:
            if count == 1 and cells < _IN_ONE_LINE:
                break
            lines = _wrapped(parts, cells, beside, width)
            within = all(cell_len(line) <= width for line in lines[1:])
            if len(lines) <= count and within and _distinct(parts, cells):
                return lines
    return _wrapped(parts, _SHORTEST[-1], beside, width)[:most]


def _distinct(parts: Sequence[ReadingPart], cells: int) -> bool:
    names = {part.name for part in parts if part.name}
    return len({shortened(name, cells) for name in names}) == len(names)


def _wrapped(parts: Sequence[ReadingPart], cells: int, beside: int, width: int) -> list[str]:
    lines, room = [""], beside
    for part in parts:
        text = part.within(cells)
        gap = _GAP if lines[-1] else 0
        if cell_len(lines[-1]) + gap + cell_len(text) <= room:
            lines[-1] += " " * gap + text
        else:
            lines.append(text)
            room = width
    return lines
