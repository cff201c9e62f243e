"""Where the lines of the form stand: sections in columns, folded or not, and how a cursor moves there. No widget.

Sections flow down the columns in the order of the form. Which column a section is in depends only on how many columns
there are: folding one, or a message below a field, moves nothing to another column.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, groupby, pairwise

from itop_tui.new_run.run_form import ALL_FIELDS, FieldSpec

FIELD_ORDER: tuple[FieldSpec, ...] = tuple(ALL_FIELDS.values())
"""The fields that the form shows, in its order."""


@dataclass(frozen=True, slots=True)
class Title:
    """The line above the fields of a section, or in place of them.

    Attributes:
        section: What it says.
        folded: Whether the fields are hidden.
        fields: The names of the section's fields.
    """

    section: str
    folded: bool
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Message:
    """A line below a field."""

    name: str
    text: str


Line = FieldSpec | Title | Message | None
"""A line of a column; None is an empty one."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a line stands; places are ordered as they are read, down the columns."""

    column: int
    row: int


@dataclass(frozen=True, slots=True)
class Stop:
    """Where the cursor may be: on a field, or on the title that is there in place of it."""

    place: Place
    field: FieldSpec


class Arrangement:
    """The lines of the form in their columns.

    Args:
        count: How many columns there may be.
        folded: The sections whose fields are hidden.
        visible: Which fields are shown at all, by their names; None for every one.
        messages: The lines below fields, by their names.
    """

    def __init__(
        self,
        count: int = 1,
        *,
        folded: Collection[str] = (),
        visible: Collection[str] | None = None,
        messages: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        columns: list[tuple[Line, ...]] = []
        self._places: dict[str, Place] = {}
        self._titles: dict[str, Place] = {}
        for number, sections in enumerate(_divided(_sections(FIELD_ORDER), count)):
            lines: list[Line] = []
            for section, fields in sections:
                shown = [spec for spec in fields if visible is None or spec.name in visible]
                if not shown:
                    continue
                hidden = section in folded
                if section:
                    lines += [None] if lines else []
                    self._titles[section] = Place(number, len(lines))
                    lines.append(Title(section, hidden, tuple(spec.name for spec in fields)))
                for spec in shown:
                    if hidden:
                        self._places[spec.name] = self._titles[section]
                        continue
                    self._places[spec.name] = Place(number, len(lines))
                    lines.append(spec)
                    lines += (Message(spec.name, text) for text in (messages or {}).get(spec.name, ()))
            columns.append(tuple(lines))
        self.columns = tuple(columns)

    @property
    def height(self) -> int:
        """How many rows the longest column has."""
        return max(map(len, self.columns), default=0)

    def line(self, column: int, row: int) -> Line:
        """What stands at a place; None where nothing does."""
        if not 0 <= column < len(self.columns) or not 0 <= row < len(self.columns[column]):
            return None
        return self.columns[column][row]

    def place(self, field: FieldSpec) -> Place | None:
        """Where a field stands, or the title in place of it; None where it is not shown."""
        return self._places.get(field.name)

    def title(self, section: str) -> Place | None:
        """Where the title of a section stands; None where it has none, or is not shown."""
        return self._titles.get(section)

    def last_row(self, place: Place) -> int:
        """The row of the last message that belongs to the line at a place."""
        row = place.row
        while isinstance(self.line(place.column, row + 1), Message):
            row += 1
        return row

    def stops(self, is_open: Callable[[str], bool]) -> list[Stop]:
        """Where the cursor may be, as it is read: fields that are open, and titles of folded sections."""
        found: list[Stop] = []
        for number, lines in enumerate(self.columns):
            for row, line in enumerate(lines):
                place = Place(number, row)
                if isinstance(line, FieldSpec) and is_open(line.name):
                    found.append(Stop(place, line))
                elif isinstance(line, Title) and line.folded:
                    name = next(filter(is_open, line.fields), line.fields[0])
                    found.append(Stop(place, ALL_FIELDS[name]))
        return found


def next_read(stops: Sequence[Stop], here: Place, step: int) -> Stop | None:
    """The next stop in the order of reading, or the one before."""
    beyond = [stop for stop in stops if (stop.place > here if step > 0 else stop.place < here)]
    return (beyond[0] if step > 0 else beyond[-1]) if beyond else None


def next_in_column(stops: Sequence[Stop], here: Place, step: int) -> Stop | None:
    """The next stop below in the same column, or above; None at its end."""
    return next_read([stop for stop in stops if stop.place.column == here.column], here, step)


def beside(stops: Sequence[Stop], here: Place, step: int) -> Stop | None:
    """The stop at about the same height in the next column to the right, or to the left."""
    columns = {stop.place.column for stop in stops}
    further = [column for column in columns if (column > here.column if step > 0 else column < here.column)]
    if not further:
        return None
    column = min(further) if step > 0 else max(further)
    there = (stop for stop in stops if stop.place.column == column)
    return min(there, key=lambda stop: abs(stop.place.row - here.row))


_Sections = list[tuple[str, tuple[FieldSpec, ...]]]


def _sections(fields: Sequence[FieldSpec]) -> _Sections:
    return [(str(section), tuple(specs)) for section, specs in groupby(fields, key=lambda spec: spec.section)]


def _divided(sections: _Sections, count: int) -> Iterator[_Sections]:
    """Divide sections among so many columns, or fewer, in their order: the longest column as short as can be."""
    count = max(1, min(count, len(sections)))
    heights = [len(fields) + 2 * bool(section) for section, fields in sections]
    cuts = min(
        ((0, *inner, len(sections)) for inner in combinations(range(1, len(sections)), count - 1)),
        key=lambda edges: max(sum(heights[first:last]) for first, last in pairwise(edges)),
    )
    for first, last in pairwise(cuts):
        yield sections[first:last]
