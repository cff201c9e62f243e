"""Which columns fit a line of the list, how wide each is, and what stands on the further pages of columns.

A line too short for every column has pages: the first holds what matters most, and the others what did not fit,
beside the columns that tell which run a line is about. So every column can be reached at 80 cells too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from itop_tui.runs.run_columns import COLUMNS, RunColumn, column

LEAD = 4
"""Cells before the first column: the cursor, the selection, the star, a gap."""
_TIGHT = 140
"""Lines narrower than this have one cell between two columns, wider ones two."""
_EXTRA_RANK, _NAME_FIRST = 8, {False: 16, True: 20}
"""Columns of this rank and above are shown only where the name can still grow by so many cells, on a tight or a wide
line."""
_ADDED_RANK = 0.5
"""Columns that a person added come after those of rank 0."""
_PINNED = {"state": 6, "id": 9, "name": 3}
"""The columns that stand on every page; a chosen width takes at most such a part of the line, one in so many."""
_KNOWN_WIDTH = {each.key: each.width for each in COLUMNS}
_SPREAD = 12
"""Cells for a mean with its deviation."""
_GROUP_NAME = 20
"""Cells for what distinguishes a group."""
NARROWEST, WIDEST = 3, 80
"""The limits of a width that a person may choose."""
_GROWTH = (
    ("data", 13), ("name", 20), ("method", 9), ("density", 7), ("name", 32), ("progress", 15),
    ("progress", 22), ("model", 18), ("curve", 16), ("name", 44), ("method", 16), ("curve", 24), ("progress", 30),
    ("data", 14), ("tags", 20), ("notes", 40), ("reason", 40),
)  # fmt: skip
"""Who gets the room that is left, one after the other, and up to which width."""
_Need = Callable[[RunColumn], int]


@dataclass(frozen=True, slots=True)
class ChosenColumn:
    """A column a person chose."""

    key: str
    width: int | None = None
    """Its cells; None for as many as it needs, and more where there is room."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A column with its place on the line."""

    column: RunColumn
    x: int
    width: int


@dataclass(frozen=True, slots=True)
class Page:
    """The visible columns, in order, from cell `LEAD` on: page `number` of so many, from 0."""

    placed: tuple[Placed, ...]
    number: int
    pages: int


def default_columns() -> tuple[ChosenColumn, ...]:
    """The columns of a list that was not changed."""
    return tuple(ChosenColumn(each.key) for each in COLUMNS)


def place(width: int, chosen: Sequence[ChosenColumn] = (), *, page: int = 0, grouped: bool = False) -> Page:
    """Find the columns that fit and share out the room that is left.

    By itself a list keeps its columns by their rank; a person's choice is kept in its own order. Where there are fewer
    pages, `page` is the last one; where runs are `grouped`, means need room for a deviation.
    """
    widths, columns = _asked(chosen)
    pages = _pages(width, columns, widths, grouped=grouped)
    number = max(0, min(page, len(pages) - 1))
    # A page shows its columns in the order of the whole list.
    shown = [each for each in columns if each in pages[number]]
    need, gap = _cells(width, widths, grouped=grouped), _gap(width)
    given = {each.key: need(each) for each in shown}
    room = width - LEAD - sum(given.values()) - gap * (len(shown) - 1)
    for key, most in _GROWTH:
        if key in given and widths.get(key) is None:
            more_cells = max(0, min(room, most - given[key]))
            given[key] += more_cells
            room -= more_cells
    ends = accumulate((given[each.key] + gap for each in shown), initial=LEAD)
    placed = (Placed(each, x, given[each.key]) for each, x in zip(shown, ends, strict=False))
    return Page(tuple(placed), number, len(pages))


def order(width: int, chosen: Sequence[ChosenColumn] = (), *, grouped: bool = False) -> tuple[tuple[str, int], ...]:
    """Every column, those of the first page before the others, each with the first page on which it is seen."""
    widths, columns = _asked(chosen)
    pages = _pages(width, columns, widths, grouped=grouped)
    page_of = {each.key: number for number, page in reversed([*enumerate(pages)]) for each in page}
    first = [each.key for each in columns if each in pages[0]]
    return tuple(
        (key, page_of[key]) for key in dict.fromkeys([*first, *(each.key for each in columns)]) if key in page_of
    )


def _asked(chosen: Sequence[ChosenColumn]) -> tuple[Mapping[str, int | None], list[RunColumn]]:
    """The widths that were chosen, by key, and the columns."""
    widths = {each.key: each.width for each in chosen or default_columns()}
    return widths, [found for key in widths if (found := column(key)) is not None] or [*COLUMNS]


def _gap(width: int) -> int:
    return 1 if width < _TIGHT else 2


def _cells(width: int, widths: Mapping[str, int | None], *, grouped: bool) -> _Need:
    """How many cells a column needs; a chosen width counts as far as the line goes, so that each column can be seen."""
    room = width - LEAD

    def pinned(key: str) -> int:
        least = _GROUP_NAME if grouped and key == "name" else _KNOWN_WIDTH[key]
        return min(widths[key] or least, max(least, room // _PINNED[key]))

    beside = sum(pinned(key) + _gap(width) for key in _PINNED if key in widths)

    def need(each: RunColumn) -> int:
        if each.key in _PINNED:
            return pinned(each.key)
        asked = widths.get(each.key)
        if asked is not None:
            return min(asked, max(each.width, room - beside))
        return max(each.width, _SPREAD) if grouped and each.mean is not None else each.width

    return need


def _pages(
    width: int, columns: Sequence[RunColumn], widths: Mapping[str, int | None], *, grouped: bool
) -> list[list[RunColumn]]:
    """The columns of each page."""
    room, gap = width - LEAD, _gap(width)
    need = _cells(width, widths, grouped=grouped)
    keys, own = [each.key for each in columns], [each.key for each in COLUMNS]
    # Columns that were added to the list's own are wanted before those; after these, its own are kept by their rank.
    by_rank = [key for key in keys if key in own] == own
    first = sorted(columns, key=lambda each: each.rank if each.key in own else _ADDED_RANK) if by_rank else columns
    pages = [_that_fit(first, room, gap, need_of=need, sparing=sorted(keys) == sorted(own))]
    pinned = [each for each in columns if each.key in _PINNED]
    left = [each for each in columns if each not in pages[0]]
    while left:
        more = _that_fit([*pinned, *(each for each in left if each not in pinned)], room, gap, need_of=need)
        fresh = [each for each in more if each in left]
        if not fresh:
            break  # Not even one of them fits beside the pinned ones.
        pages.append(more)
        left = [each for each in left if each not in fresh]
    return pages


def _that_fit(
    columns: Iterable[RunColumn], room: int, gap: int, *, need_of: _Need, sparing: bool = False
) -> list[RunColumn]:
    """The columns up to the first that does not fit; `sparing`, those of the last ranks leave the name room to grow."""
    kept: list[RunColumn] = []
    for each in columns:
        need = need_of(each) + (gap if kept else 0)
        if need > room - (_NAME_FIRST[gap > 1] if sparing and each.rank >= _EXTRA_RANK else 0):
            break
        room -= need
        kept.append(each)
    return kept


def at(placed: Sequence[Placed], x: int) -> RunColumn | None:
    """The column at a cell of the line, its gap included; None beside the columns."""
    for here, after in pairwise(placed):
        if here.x <= x < after.x:
            return here.column
    last = placed[-1] if placed else None
    return last.column if last and last.x <= x < last.x + last.width else None


def edge_at(placed: Sequence[Placed], x: int) -> Placed | None:
    """The column whose right edge can be dragged at a cell: the gap behind it."""
    return next((each for each in placed if x == each.x + each.width), None)


def resized(chosen: Sequence[ChosenColumn], key: str, width: int | None) -> tuple[ChosenColumn, ...]:
    """The choice with one column of another width."""
    changed = ChosenColumn(key, None if width is None else max(NARROWEST, min(width, WIDEST)))
    return tuple(changed if each.key == key else each for each in chosen or default_columns())


def added(chosen: Sequence[ChosenColumn], key: str, *, after: str) -> tuple[ChosenColumn, ...]:
    """The choice with another column after one, or after those that stand on every page where that is not shown."""
    keys = [each.key for each in chosen]
    pinned = [place for place, each in enumerate(keys) if each in _PINNED]
    place = keys.index(after) if after in keys else max(pinned, default=-1)
    return (*chosen[: place + 1], ChosenColumn(key), *chosen[place + 1 :])


def moved(chosen: Sequence[ChosenColumn], ordered: Sequence[str], key: str, to: int) -> tuple[ChosenColumn, ...]:
    """The choice in the order in which its columns are seen (as `order` gives them), but one at another place."""
    known = {each.key: each for each in chosen or default_columns()}
    keys = [each for each in dict.fromkeys([*ordered, *known]) if each != key]
    keys.insert(max(0, to), key)
    return tuple(known[each] for each in keys)


def to_json(chosen: Sequence[ChosenColumn]) -> list[list[str | int | None]]:
    """A choice as it is kept."""
    return [[each.key, each.width] for each in chosen]


def from_json(kept: object) -> tuple[ChosenColumn, ...]:
    """A choice as it was kept; what is not one (a database written by another version) is left out."""
    chosen: list[ChosenColumn] = []
    for pair in kept if isinstance(kept, list) else []:
        match pair:
            case [str(key), int() | None as width] if column(key) and key not in {each.key for each in chosen}:
                chosen += resized([ChosenColumn(key)], key, width)
    return tuple(chosen)
