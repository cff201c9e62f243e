"""The columns of the list of runs: what each shows, how wide it is, and which ones fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from db.records import RunRecord
from itop_tui import run_view
from itop_tui.format import age, explored, figure, fit, percent, rate, ratio, share
from itop_tui.theme import Tone
from itop_tui.widgets.toned import Part

LEAD = 3
"""Cells before the first column, for the cursor and the mark."""
_TIGHT = 140
"""Lines narrower than this have one cell between two columns, wider ones two."""
_EXTRA_RANK, _NAME_FIRST = 8, 16
"""Columns of this rank and above are shown only where the name can still grow by so many cells."""
_GROWTH = (
    ("name", 20), ("method", 9), ("density", 7), ("progress", 15), ("data", 13), ("name", 28),
    ("progress", 22), ("model", 18), ("name", 44), ("method", 16), ("progress", 30), ("data", 14), ("tags", 20),
)  # fmt: skip
"""Who gets the room that is left, one after the other, and up to which width."""

Cell = Callable[[RunRecord, float, int], list[Part]]
"""Draws a run's cell: given the record, the time and the width, parts that fill exactly that width."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the list.

    Attributes:
        key: Its name.
        title: What its head says.
        width: The fewest cells it needs.
        rank: Columns of low rank are kept when there is little room.
        sort: The name of `db.runs.SORTS` it sorts by; empty where it cannot be sorted by.
        cell: Draws a run's cell.
        right: Whether it is aligned to the right.
        short: What its head says where the title does not fit.
        ascending: Whether a first sort by it goes upwards.
    """

    key: str
    title: str
    width: int
    rank: int
    sort: str
    cell: Cell
    right: bool = False
    short: str = ""
    ascending: bool = False

    def head(self, width: int) -> str:
        """What the head says in so many cells."""
        return self.title if len(self.title) <= width else self.short or self.title[:width]


def _state(run: RunRecord, now: float, width: int) -> list[Part]:
    return [(fit(text, width), tone) for text, tone in run_view.state(run, now)]


def _text(get: Callable[[RunRecord], str], *, muted: bool = False) -> Cell:
    tone: Tone = "muted" if muted else "text"
    return lambda run, now, width: [(fit(get(run), width), tone)]


def _number(get: Callable[[RunRecord], str], *, muted: bool = False) -> Cell:
    def cell(run: RunRecord, now: float, width: int) -> list[Part]:
        shown = get(run)
        tone: Tone = "bad" if shown in ("NaN", "∞", "-∞") else "faint" if shown == "–" else "muted" if muted else "text"
        return [(fit(shown, width, right=True), tone)]

    return cell


def _name(run: RunRecord, now: float, width: int) -> list[Part]:
    return [(fit(run.name, width), "title" if run.status.is_active else "text")]


def _age(run: RunRecord, now: float, width: int) -> list[Part]:
    return [(fit(age(now - run.created_at), width, right=True), "muted")]


def _method(run: RunRecord, now: float, width: int) -> list[Part]:
    whole = run_view.method(run)
    # All of itop's own methods end in "-ITOP": what tells them apart stays.
    return [(fit(whole if len(whole) <= width else whole.replace("-ITOP", ""), width), "text")]


COLUMNS: tuple[Column, ...] = (
    Column("state", "state", 11, 0, "status", _state, ascending=True),
    Column("id", "id", 5, 0, "id", _number(lambda run: str(run.id), muted=True), right=True),
    Column("name", "name", 12, 0, "name", _name, ascending=True),
    Column("model", "model", 12, 6, "model", _text(lambda run: run.model), ascending=True),
    Column("data", "data", 9, 7, "data", _text(lambda run: run.data), ascending=True),
    Column("method", "method", 6, 3, "method", _method, ascending=True),
    Column("density", "density", 5, 5, "target_density", _number(run_view.density), right=True, short="dens."),
    Column("progress", "progress", 12, 1, "progress", run_view.progress_parts),
    Column("best", "best", 6, 2, "best_val_accuracy", _number(lambda run: percent(run.best_val_accuracy)),
           right=True),
    Column("itop", "R_s", 4, 4, "itop_rate", _number(lambda run: ratio(explored(run))), right=True),
    Column("loss", "loss", 8, 8, "loss", _number(lambda run: figure(run.loss, 3), muted=True), right=True),
    Column("speed", "speed", 8, 10, "samples_per_second",
           _number(lambda run: rate(run.samples_per_second) if run.status.is_active else "–", muted=True),
           right=True),
    Column("flops", "FLOPs", 6, 9, "flops_ratio", _number(lambda run: share(run.flops_ratio), muted=True),
           right=True),
    Column("device", "device", 7, 11, "device", _text(lambda run: run.device or "", muted=True)),
    Column("tags", "tags", 10, 12, "", _text(lambda run: run_view.tags(run.tags) if run.tags else "", muted=True)),
    Column("age", "age", 4, 2, "created_at", _age, right=True),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Placed:
    """A column with its place on the line.

    Attributes:
        column: The column.
        x: Its first cell.
        width: Its cells.
    """

    column: Column
    x: int
    width: int


def place(width: int, columns: Sequence[Column] = COLUMNS) -> tuple[Placed, ...]:
    """Choose the columns that fit and share out the room that is left.

    Columns are kept in the order of their rank while they fit at their least width; what remains goes to the columns
    that can use it, the name first.

    Args:
        width: The cells of a line.
        columns: All columns, in the order in which they are shown.

    Returns:
        The columns shown, in order, from cell `LEAD` on.
    """
    room, gap = width - LEAD, 1 if width < _TIGHT else 2
    kept: list[Column] = []
    for column in sorted(columns, key=lambda column: column.rank):
        need = column.width + (gap if kept else 0)
        if need > room - (_NAME_FIRST if column.rank >= _EXTRA_RANK else 0):
            break
        room -= need
        kept.append(column)
    widths = {column.key: column.width for column in kept}
    for key, most in _GROWTH:
        if key in widths:
            more = max(0, min(room, most - widths[key]))
            widths[key] += more
            room -= more
    placed: list[Placed] = []
    x = LEAD
    for column in columns:
        if column.key in widths:
            placed.append(Placed(column, x, widths[column.key]))
            x += widths[column.key] + gap
    return tuple(placed)


def at(placed: Sequence[Placed], x: int) -> Column | None:
    """The column at a cell of the line, its gap included; None beside the columns."""
    for here, after in pairwise(placed):
        if here.x <= x < after.x:
            return here.column
    last = placed[-1] if placed else None
    return last.column if last and last.x <= x < last.x + last.width else None
