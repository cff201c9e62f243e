"""Which charts are shown: as many as fit, those with data first, the chosen one among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


def grid_shape(width: int, height: int) -> tuple[int, int]:
    """How many charts fit side by side and one above the other, so that each can still be read."""
    columns = 1 if width < 64 else 2 if width < 150 else 3
    rows = 1 if height < 14 else 2 if height < 30 or (columns == 3 and height < 42) else 3
    return columns, rows


@dataclass(frozen=True, slots=True)
class ChartPlaces:
    """The charts that share pages with the chosen one.

    Attributes:
        group: Their numbers.
        shown: Those of them that have a place on a page: all but the empty ones, as long as others have data. The
            chosen one always has a place.
        chosen: The chosen one.
        room: How many fit on a page.
    """

    group: tuple[int, ...]
    shown: tuple[int, ...]
    chosen: int
    room: int

    @classmethod
    def of(cls, kinds: Sequence[object], empty: Sequence[bool], chosen: int, room: int) -> ChartPlaces:
        """The places of charts of which only neighbours of one kind share pages, as that of the chosen one does."""
        first = last = chosen
        while first > 0 and kinds[first - 1] == kinds[chosen]:
            first -= 1
        while last + 1 < len(kinds) and kinds[last + 1] == kinds[chosen]:
            last += 1
        group = tuple(range(first, last + 1))
        filled = any(not empty[at] for at in group)
        return cls(group, tuple(at for at in group if at == chosen or not (filled and empty[at])), chosen, room)

    @property
    def page(self) -> tuple[int, ...]:
        """Those on the page of the chosen one."""
        at = self.shown.index(self.chosen)
        first = at - at % self.room
        return self.shown[first : first + self.room]

    @property
    def note(self) -> str:
        """Which they are, where not all are visible: "1–6 of 8, 2 empty"; else nothing."""
        page, empty = self.page, len(self.group) - len(self.shown)
        if len(page) == len(self.group):
            return ""
        first = self.shown.index(page[0]) + 1
        place = f"{first}–{first + len(page) - 1}" if len(page) > 1 else f"{first}"
        return f"{place} of {len(self.group)}" + (f", {empty} empty" if empty else "")
