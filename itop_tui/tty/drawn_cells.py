"""What the terminal shows, cell by cell, and the shortest text that makes it show something else.

Textual writes each part of the screen that was drawn again, whole, and with the colours of every piece of text. On a
chart of a run that trains, three quarters of the bytes are colours, and most of the cells are as they were. Over a slow
connection that matters, so here only cells that look different are written, and only the colours that change between
one cell and the next. What is drawn as a whole (another screen, another size) is written as a whole. A frame may bring
several updates, of which only what the last one shows is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from rich.cells import cell_len, get_character_cell_size
from rich.color import ColorSystem
from rich.console import Console, ConsoleOptions, RenderResult
from rich.style import Style
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.strip import Strip

__all__ = ["DrawnCells", "Update"]

_SGR = ("1", "2", "3", "4", "5", "6", "7", "8", "9", "21", "51", "52", "53")
"""The code of each attribute, in the order of Rich's bits."""
_SEEN_ON_BLANKS = sum(1 << bit for bit in (3, 6, 8, 9, 10, 11, 12))
"""Underlined, reversed, struck through, underlined twice, framed, encircled, overlined."""
_NEAR = 4
"""So many cells between two that changed are written too: to skip them takes as many bytes."""


class _Look(NamedTuple):
    """How a cell looks: the codes of its attributes and colours; of a blank, only what is seen of one."""

    attributes: str
    foreground: str
    ground: str
    marked: bool = False
    """Whether the attributes are seen on a blank too."""
    blank: bool = False
    """Whether attributes and foreground are not seen, so that any will do."""


_PLAIN = _Look("", "", "")
Update = LayoutUpdate | ChopsUpdate
"""What Textual draws: the whole screen, or some of its parts."""
_Cell = tuple[str, _Look]
"""The text of a cell, empty for the second half of a wide character, and its look."""


class DrawnCells:
    """Remembers what was written to the terminal."""

    def __init__(self) -> None:
        self._rows: dict[int, list[_Cell | None]] = {}
        self._looks: dict[tuple[Style, ColorSystem], tuple[_Look, _Look]] = {}

    def shortened(self, updates: Sequence[Update]) -> _Shortened:
        """One update that writes only where these, in order, differ from what the terminal shows when it is written."""
        return _Shortened(self, updates)

    def write(self, updates: Sequence[Update], colours: ColorSystem) -> str:
        """The text that brings updates on the screen; from now on, that is what the terminal shows."""
        if any(isinstance(update, LayoutUpdate) for update in updates):
            self._rows.clear()
        written: list[str] = []
        look = latest = _PLAIN
        for y, x, strip in _visible(updates):
            cells = self._cells(strip, colours)
            row = self._rows.setdefault(y, [])
            row.extend([None] * (x + len(cells) - len(row)))
            before, row[x : x + len(cells)] = row[x : x + len(cells)], cells
            for start, end in _changed(before, cells):
                written.append(f"\x1b[{y + 1};{x + start + 1}H")
                for text, wanted in cells[start:end]:
                    if wanted is not latest:
                        codes, look = _turned(look, wanted)
                        written.append(codes)
                        latest = wanted
                    written.append(text)
        if look != _PLAIN:
            written.append("\x1b[0m")
        return "".join(written)

    def _cells(self, strip: Strip, colours: ColorSystem) -> list[_Cell]:
        """The cells of a part. A joining character at its start is left out: it would join the widget beside it."""
        cells: list[_Cell] = []
        for text, style, _ in strip:
            look, blank = self._looks_of(style, colours)
            if cell_len(text) == len(text) and not _joins(text):
                cells += [(each, blank if each == " " else look) for each in text]
                continue
            for each in text:
                width = get_character_cell_size(each)
                if width:
                    cells.append((each, blank if each == " " else look))
                    cells += [("", look)] * (width - 1)
                elif cells:  # it is drawn over the character before it, which may be wide
                    at = -1 if cells[-1][0] or len(cells) == 1 else -2
                    cells[at] = (cells[at][0] + each, cells[at][1])
        return cells

    def _looks_of(self, style: Style | None, colours: ColorSystem) -> tuple[_Look, _Look]:
        """How a character in a style looks, and how a blank does."""
        key = (style or Style.null(), colours)
        if key not in self._looks:
            self._looks[key] = _looks_of(*key)
        return self._looks[key]


class _Shortened(CompositorUpdate):
    """Updates that are compared with what the terminal shows once they are written, and only then."""

    def __init__(self, drawn: DrawnCells, updates: Sequence[Update]) -> None:
        self._drawn, self._updates = drawn, updates

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for update in self._updates:
            yield from update.__rich_console__(console, options)

    def render_segments(self, console: Console) -> str:
        return self._drawn.write(self._updates, console._color_system or ColorSystem.TRUECOLOR)


def _visible(updates: Sequence[Update]) -> list[tuple[int, int, Strip]]:
    """Each strip of updates, in order, but those that are drawn over by a later one."""
    visible: list[tuple[int, int, Strip]] = []
    over: dict[int, list[tuple[int, int]]] = {}
    for y, x, strip in reversed([part for update in updates for part in _strips(update)]):
        end, later = x + strip.cell_length, over.setdefault(y, [])
        if not any(start <= x and end <= stop for start, stop in later):
            visible.append((y, x, strip))
            later.append((x, end))
    return visible[::-1]


def _strips(update: Update) -> Iterator[tuple[int, int, Strip]]:
    """Each strip of an update with its row and its first column."""
    if isinstance(update, LayoutUpdate):
        for y, line in enumerate(update.strips, update.region.y):
            x = update.region.x
            for strip in line:
                yield y, x, strip
                x += strip.cell_length
    else:
        for y, first, last in update.spans:
            for end, (x, part) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
                if part is not None and x <= last and end > first:
                    yield y, x, part.crop(0, min(end, last) - x)


def _changed(before: Sequence[_Cell | None], after: Sequence[_Cell]) -> Iterable[tuple[int, int]]:
    """The runs of cells that differ, those near each other as one, and words as a whole.

    Where a character is wide or joined from several, terminals do not agree on its cells: all are written.
    """
    if before == after:
        return []
    if any(cell is not None and len(cell[0]) != 1 for cell in (*before, *after)):
        return [(0, len(after))]
    runs: list[tuple[int, int]] = []
    for at, (old, new) in enumerate(zip(before, after, strict=True)):
        if old == new or (runs and at < runs[-1][1]):
            continue
        start, end = at, at + 1
        while start > 0 and _in_word(after[start - 1]) and _in_word(after[start]):
            start -= 1
        while end < len(after) and _in_word(after[end - 1]) and _in_word(after[end]):
            end += 1
        if runs and start - runs[-1][1] <= _NEAR:
            runs[-1] = (runs[-1][0], end)
        else:
            runs.append((start, end))
    return runs


def _in_word(cell: _Cell) -> bool:
    return cell[0].isascii() and not cell[0].isspace()


def _turned(now: _Look, wanted: _Look) -> tuple[str, _Look]:
    """The codes that change from one look to another, and the look that is in force then."""
    if wanted.blank and not now.marked:
        wanted = now._replace(ground=wanted.ground)
    elif wanted.blank:
        wanted = _Look("", "", wanted.ground)
    if wanted.attributes != now.attributes:
        codes = ["0", wanted.attributes, wanted.foreground, wanted.ground]
    else:
        codes = [
            (wanted.foreground or "39") if wanted.foreground != now.foreground else "",
            (wanted.ground or "49") if wanted.ground != now.ground else "",
        ]
    shown = ";".join(filter(None, codes))
    return (f"\x1b[{shown}m" if shown else ""), wanted


def _looks_of(style: Style, colours: ColorSystem) -> tuple[_Look, _Look]:
    bits = style._attributes & style._set_attributes
    attributes = ";".join(code for bit, code in enumerate(_SGR) if bits & (1 << bit))
    foreground = style.color.downgrade(colours).get_ansi_codes() if style.color is not None else ()
    ground = style.bgcolor.downgrade(colours).get_ansi_codes(False) if style.bgcolor is not None else ()
    marked = bool(bits & _SEEN_ON_BLANKS)
    look = _Look(attributes, ";".join(foreground), ";".join(ground), marked)
    return look, look if marked else _Look("", "", look.ground, blank=True)


def _joins(text: str) -> bool:
    """Whether a character of a text takes no cell, or two."""
    return not text.isascii() and any(get_character_cell_size(each) != 1 for each in text)
