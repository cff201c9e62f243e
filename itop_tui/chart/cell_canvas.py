"""A grid of characters with styles on which a chart is painted, and the lines that a widget shows of it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip


class CellCanvas:
    """Characters and their styles; what is put outside of it is left out."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = max(0, width), max(0, height)
        self._characters = np.full((self.height, self.width), " ", dtype="<U1")
        self._owners = np.zeros((self.height, self.width), dtype=np.intp)
        self._styles: list[Style] = [Style.null()]
        self._base, self._seen = Style.null(), dict[int, Style]()
        self._numbers: dict[Style, int] = {self._styles[0]: 0}

    def put(self, column: int, row: int, text: str, style: Style) -> None:
        """Write text from a cell on, to the right."""
        if not 0 <= row < self.height:
            return
        if not text.isascii() and cell_len(text) != len(text):  # a wide character has two cells: the second is empty
            text = "".join(character + "\0" * (cell_len(character) - 1) for character in text)
        first, last = max(0, column), min(self.width, column + len(text))
        if first < last:
            self._characters[row, first:last] = list(text[first - column : last - column])
            self._owners[row, first:last] = self._number(style)

    def put_cells(
        self, rows: NDArray[np.intp], columns: NDArray[np.intp], characters: NDArray[np.str_], style: Style
    ) -> None:
        """Put a character into each of some cells, all within the canvas; a later one replaces an earlier one."""
        self._characters[rows, columns] = characters
        self._owners[rows, columns] = self._number(style)

    def character(self, column: int, row: int) -> str:
        """The character in a cell; empty outside of the canvas."""
        inside = 0 <= row < self.height and 0 <= column < self.width
        return str(self._characters[row, column]) if inside else ""

    def strip(self, row: int, base: Style) -> Strip:
        """A line, over a style that lies behind it."""
        if not 0 <= row < self.height or not self.width:
            return Strip.blank(self.width, base)
        if self._base != base:
            self._base, self._seen = base, {}
        owners = self._owners[row]
        edges = [0, *(np.flatnonzero(np.diff(owners)) + 1).tolist(), self.width]
        text = self._characters[row].tolist()
        styles = map(self._over_base, owners[edges[:-1]].tolist())
        return Strip(
            [
                Segment("".join(text[first:last]), style)
                for (first, last), style in zip(pairwise(edges), styles, strict=True)
            ]
        )

    def _over_base(self, owner: int) -> Style:
        """A style over the one that lies behind the canvas; to combine two takes longer than to draw a cell."""
        style = self._seen.get(owner)
        if style is None:
            style = self._seen[owner] = self._base + self._styles[owner]
        return style

    def _number(self, style: Style) -> int:
        number = self._numbers.get(style)
        if number is None:
            number = self._numbers[style] = len(self._styles)
            self._styles.append(style)
        return number
