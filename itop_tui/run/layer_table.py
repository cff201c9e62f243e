"""The layers of a run at its latest mask update, one row each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.style import Style
from rich.text import Text
from textual import events
from textual.color import Color
from textual.widgets import DataTable

from db.records import LayerMaskStat
from itop_tui.figures.format import UNKNOWN, bar, count, plain, r_s, share, short_count
from itop_tui.figures.update_metrics import churn, density, explored
from itop_tui.look.theme import tone_style

_BAR = 10
_NARROW = 100
"""Columns of the screen below which values are shortened, so that R_s and churn are visible."""
_NAME = 28


@dataclass(frozen=True, slots=True)
class _Column:
    key: str
    title: str
    value: Callable[[LayerMaskStat], float | str | None]
    text: Callable[[LayerMaskStat], str]
    right: bool = True
    short_title: str = ""
    short: Callable[[LayerMaskStat], str] | None = None


def shape_text(shape: Sequence[int]) -> str:
    """A shape as papers write it: 512×256×3×3."""
    return "×".join(str(size) for size in shape)


def _of(number: int | None, of: int) -> str:
    return UNKNOWN if number is None else f"{number:,}/{of:,}"


def _exact(value: float | None) -> str:
    return UNKNOWN if value is None else share(round(value, 4))


def _rough(value: float | None) -> str:
    return UNKNOWN if value is None else share(round(value, 2))


_COLUMNS = (
    _Column("position", "#", lambda row: row.position, lambda row: str(row.position)),
    _Column("layer", "layer", lambda row: row.layer, lambda row: _short(row.layer), right=False),
    _Column("shape", "shape", lambda row: row.size, lambda row: shape_text(row.shape)),
    _Column("density", "density", density, lambda row: f"{share(density(row)):>7} "),
    _Column("nonzeros", "active / weights", lambda row: row.nonzeros,
            lambda row: f"{count(row.nonzeros)} / {count(row.size)}",
            short_title="active", short=lambda row: short_count(row.nonzeros)),
    _Column("explored", "R_s", explored, lambda row: r_s(explored(row))),
    _Column("churn", "churn", churn, lambda row: _exact(churn(row)), short=lambda row: _rough(churn(row))),
    _Column("overlap", "kept first", lambda row: row.overlap_first, lambda row: _exact(row.overlap_first),
            short_title="first", short=lambda row: _rough(row.overlap_first)),
    _Column("survival", "survived", lambda row: row.survival, lambda row: _exact(row.survival),
            short_title="surv", short=lambda row: _rough(row.survival)),
    _Column("alive", "alive", lambda row: row.alive, lambda row: _of(row.alive, row.shape[0] if row.shape else 0),
            short=lambda row: UNKNOWN if row.alive is None else f"{row.alive:,}"),
    _Column("percolated", "on a path", lambda row: row.percolated,
            lambda row: _rough(row.percolated / row.shape[0] if row.percolated is not None and row.shape else None),
            short_title="path"),
    _Column("dead", "dead out", lambda row: row.dead_outputs,
            lambda row: _of(row.dead_outputs, row.shape[0] if row.shape else 0),
            short_title="dead", short=lambda row: UNKNOWN if row.dead_outputs is None else f"{row.dead_outputs:,}"),
    _Column("dead_inputs", "dead in", lambda row: row.dead_inputs,
            lambda row: _of(row.dead_inputs, row.shape[1] if len(row.shape) > 1 else 0)),
    _Column("previous", "kept last", lambda row: row.overlap_previous, lambda row: _exact(row.overlap_previous)),
)  # fmt: skip

_OF_PERCEPTRONS = frozenset({"alive", "percolated"})
"""Columns that are shown where their values are known."""


def _short(name: str) -> str:
    """The end of a long layer name says more than its beginning."""
    shown = plain(name, 400)
    return shown if len(shown) <= _NAME else "…" + shown[-(_NAME - 1) :]


class LayerTable(DataTable[Text]):
    """A table of layers, sorted by their position or any other column."""

    def __init__(self, widget_id: str | None = None) -> None:
        super().__init__(id=widget_id, cursor_type="row", zebra_stripes=False)
        self._rows: tuple[LayerMaskStat, ...] = ()
        self.sorted_by = "position"
        self.descending = False
        self._narrow = False
        self._columns = self._known_columns()

    def _known_columns(self) -> tuple[_Column, ...]:
        known = any(row.alive is not None for row in self._rows)
        return tuple(column for column in _COLUMNS if known or column.key not in _OF_PERCEPTRONS)

    def on_mount(self) -> None:
        """Make the columns."""
        self._make_columns()

    def on_resize(self, event: events.Resize) -> None:
        """Shorten values where the screen is narrow."""
        narrow = event.size.width < _NARROW
        if narrow != self._narrow:
            self._narrow = narrow
            self._refill()

    def _make_columns(self) -> None:
        for column in self._columns:
            arrow = ("▾" if self.descending else "▴") if column.key == self.sorted_by else " "
            title = column.short_title if self._narrow and column.short_title else column.title
            self.add_column(Text(f"{title}{arrow}", justify="right" if column.right else "left"), key=column.key)

    def show(self, rows: Sequence[LayerMaskStat]) -> None:
        """Show these layers; where they are the same ones as before, only what changed is drawn again."""
        before, self._rows = self._rows, tuple(rows)
        if self._rows == before:
            return
        columns = self._known_columns()
        if columns != self._columns:
            self._columns = columns
            self.sorted_by = self.sorted_by if self.sorted_by in {column.key for column in columns} else "position"
            self._refill()
            return
        if [row.layer for row in before] != [row.layer for row in rows] or self.sorted_by != "position":
            self._fill()
            return
        for old, new in zip(before, self._rows, strict=True):
            for column in self._columns:
                if column.text(old) != column.text(new):
                    self.update_cell(str(new.position), column.key, self._cell(column, new))

    @property
    def selected(self) -> LayerMaskStat | None:
        """The layer at the cursor; None where there is none."""
        if not 0 <= self.cursor_row < self.row_count:
            return None
        position = self.coordinate_to_cell_key(self.cursor_coordinate).row_key.value
        return next((row for row in self._rows if str(row.position) == position), None)

    def action_sort_by_next(self, by: int) -> None:
        """Sort by the column `by` places further."""
        keys = [column.key for column in self._columns]
        self.sorted_by = keys[(keys.index(self.sorted_by) + by) % len(keys)]
        self._refill()

    def action_sort_reverse(self) -> None:
        """Reverse the order."""
        self.descending = not self.descending
        self._refill()

    def on_data_table_header_selected(self, message: DataTable.HeaderSelected) -> None:
        """A click on a head sorts by it; another one reverses the order."""
        message.stop()
        key = message.column_key.value
        if key == self.sorted_by:
            self.descending = not self.descending
        elif key is not None:
            self.sorted_by = key
        self._refill()

    def _refill(self) -> None:
        self.clear(columns=True)
        self._make_columns()
        self._fill()

    def _fill(self) -> None:
        row_at = self.cursor_row
        self.clear()
        column = next(column for column in self._columns if column.key == self.sorted_by)

        def order(row: LayerMaskStat) -> float | str:
            value = column.value(row)
            return 0.0 if value is None else value

        known = [row for row in self._rows if column.value(row) is not None]
        unknown = [row for row in self._rows if column.value(row) is None]
        for row in [*sorted(known, key=order, reverse=self.descending), *unknown]:
            self.add_row(*(self._cell(each, row) for each in self._columns), key=str(row.position))
        self.move_cursor(row=min(row_at, max(0, self.row_count - 1)))

    def _cell(self, column: _Column, row: LayerMaskStat) -> Text:
        shown = column.short(row) if self._narrow and column.short else column.text(row)
        text = Text(shown, justify="right" if column.right else "left", no_wrap=True)
        if column.key == "density" and not self._narrow:
            filled, empty = bar(density(row), _BAR)
            text.append(filled, Style(color=Color.parse(self.app.theme_variables["primary"]).rich_color))
            text.append(empty, tone_style(self.app.theme_variables, "line"))
        return text


def summary(rows: Sequence[LayerMaskStat]) -> str:
    """The layers as a whole, in one line."""
    size = sum(row.size for row in rows)
    if not size:
        return "no masked layer"
    active = sum(row.nonzeros for row in rows)
    explored = sum(row.explored for row in rows)
    return (
        f"{len(rows)} layers · {count(active)} of {count(size)} weights active ({share(active / size)}) · "
        f"R_s {r_s(explored / size)}"
    )
