"""What `itop` writes for people: consoles, tables that fit the terminal, and how a run's state looks.

Everything that comes from a user, a log or a file goes through `format.plain` into `rich.text.Text`: it is data, never
markup and never a terminal escape. Piped output is plain: no colour, no lines, nothing cut off or filled up. A table in
a pipe has a line for each row and two blanks between cells; COLUMNS asks for columns of a width instead.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from db.runs.silence import no_sign, silence
from itop_tui.figures.format import UNKNOWN, plain
from itop_tui.figures.states import DAMAGED, Tone, look

if TYPE_CHECKING:
    from db.records import RunRecord

_PIPE_WIDTH = 10_000  # rich would wrap at 80 columns where there is no terminal to fit
_GAP = 2
_NAME_LIMIT = 400

_STYLES: dict[Tone, str] = {"muted": "dim", "live": "cyan", "warn": "yellow", "good": "green", "bad": "red"}
"""The colours that commands write in, by what they mean."""


class _Console(Console):
    """A console that reports a closed pipe to `application.run`, for which it is no failure."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def help_console() -> Console:
    """Make the console for the help, which is wrapped at 80 columns in a pipe."""
    return _Console(markup=False, emoji=False, highlight=False)


def console(*, stderr: bool = False) -> Console:
    """Make a console on stdout or stderr that treats all text as data and honours NO_COLOR and COLUMNS."""
    stream = sys.stderr if stderr else sys.stdout
    piped = not stream.isatty() and "COLUMNS" not in os.environ
    return _Console(
        file=stream,
        markup=False,
        emoji=False,
        highlight=False,
        width=_PIPE_WIDTH if piped else None,
    )


def note(*lines: str) -> None:
    """Write lines for the person at the terminal on stderr, so that stdout stays what was asked for."""
    out = console(stderr=True)
    for line in lines:
        out.print(Text(line), soft_wrap=True)


def data(value: object, style: str = "") -> Text:
    """Give a user's text as one line of harmless `Text`."""
    return Text(plain(str(value), limit=_NAME_LIMIT), style=style)


def state(status: str) -> Text:
    """Give a run's state as glyph, word and colour."""
    shown = look(status)
    return Text(f"{shown.glyph} {shown.word}", style=state_style(status))


def state_of(run: RunRecord) -> Text:
    """Give the state of a run that may be held, damaged, or give no sign of life: that shows too, as in the app."""
    if run.damaged:
        shown = f"{DAMAGED.glyph} {DAMAGED.word}"
        return Text(shown if "status" in run.damaged else f"{state(run.status).plain}, {DAMAGED.word}", _STYLES["bad"])
    if (quiet := silence(run, time.time())) is not None:
        return Text(f"{look(run.status).glyph} {run.status}: {no_sign(quiet)}", style=_STYLES["warn"])
    return Text("◌ held", style=_STYLES["warn"]) if run.held and run.status == "queued" else state(run.status)


def state_style(status: str) -> str:
    """Give the colour of a run's state; the glyph and the word always stand beside it."""
    return _STYLES.get(look(status).tone, "")


Cell = Text | str


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        header: What stands above it.
        cell: What it shows of a record; None where the rows are given as cells.
        right: Whether it is aligned to the right, as figures are.
        rank: Columns with the highest rank leave first where the terminal is narrow; rank 0 always stays.
        shrink: Whether its cells may be cut, with an ellipsis, before a column has to leave.
        at_least: The narrowest it is cut to.
    """

    header: str
    cell: Callable[[Any], Cell] | None = None
    right: bool = False
    rank: int = 0
    shrink: bool = False
    at_least: int = 12


def _width(cell: Text) -> int:
    return max(cell_len(line) for line in cell.plain.split("\n"))


def _fit(
    columns: Sequence[Column], kept: list[int], natural: dict[int, int], width: int
) -> tuple[list[int], dict[int, int]]:
    """Choose which columns stay, and how wide each may be."""
    kept = list(kept)
    while True:
        widths = {position: natural[position] for position in kept}
        spare = width - sum(widths.values()) - _GAP * (len(kept) - 1)
        for position in sorted(kept, key=lambda position: -natural[position]):
            column = columns[position]
            if spare >= 0:
                break
            if column.shrink:
                cut = min(-spare, max(0, widths[position] - column.at_least))
                widths[position] -= cut
                spare += cut
        removable = [position for position in kept if columns[position].rank > 0]
        if spare >= 0 or not removable:
            return kept, widths
        kept.remove(max(removable, key=lambda position: (columns[position].rank, position)))


def print_table(columns: Sequence[Column], rows: Iterable[Any], *, out: Console | None = None) -> None:
    """Print a table no wider than the terminal; into a pipe one whose cells are not filled up.

    Columns whose every cell is unknown are left out (rank 0 excepted); then, where the rest is too wide, the ones that
    may shrink do, and after that columns leave by rank. Rich's own tables take a millisecond a row.

    Args:
        columns: The columns, in order.
        rows: Records of which each column shows something; or cells, one for each column, of one line or several.
        out: Where to; stdout by default.
    """
    target = out or console()
    cells = (
        row if isinstance(row, list | tuple) else [column.cell(row) if column.cell else "" for column in columns]
        for row in rows
    )
    body = [[cell if isinstance(cell, Text) else Text(cell) for cell in row] for row in cells]
    kept = [
        position
        for position, column in enumerate(columns)
        if column.rank == 0 or any(row[position].plain not in ("", UNKNOWN) for row in body)
    ]
    if not target.is_terminal and target.width >= _PIPE_WIDTH:
        head_cells = [Text(column.header) for column in columns]
        target.file.writelines(_separated(row, kept) + "\n" for row in (head_cells, *body))
        return
    natural = {
        position: max([cell_len(columns[position].header), *(_width(row[position]) for row in body)])
        for position in kept
    }
    kept, widths = _fit(columns, kept, natural, target.width)
    head = [Text(column.header, style="bold") for column in columns]
    lines = [line for row in (head, *body) for line in _lines(columns, row, kept, widths)]
    if not target.is_terminal:
        target.file.writelines(line.plain + "\n" for line in lines)
        return
    across = sum(widths.values()) + _GAP * (len(kept) - 1)
    for line in (lines[0], Text("─" * across, style="dim"), *lines[1:]):
        line.truncate(target.width, overflow="ellipsis")
        target.print(line, soft_wrap=True)


def _separated(row: Sequence[Text], kept: Sequence[int]) -> str:
    """A row as one line with two blanks between cells; no cell has two in a row, so that programs can take it apart."""
    cells = (" ".join(row[position].plain.split()) for position in kept)
    return (" " * _GAP).join(cells).rstrip()


def _lines(
    columns: Sequence[Column], row: Sequence[Text], kept: Sequence[int], widths: Mapping[int, int]
) -> Iterator[Text]:
    """Lay out a row: as many lines as its highest cell has, each cell in the width of its column."""
    height = max(row[position].plain.count("\n") for position in kept) + 1
    parts = {position: [row[position]] if height == 1 else list(row[position].split("\n")) for position in kept}
    for number in range(height):
        line = Text()
        for place, position in enumerate(kept):
            cell = parts[position][number] if number < len(parts[position]) else Text()
            if cell.cell_len > widths[position]:
                cell = cell.copy()  # the caller's stays as it is
                cell.truncate(widths[position], overflow="ellipsis")
            space = " " * (widths[position] - cell.cell_len)
            gap = " " * _GAP if place else ""
            line.append(gap + space if columns[position].right else gap).append_text(cell)
            if not columns[position].right:
                line.append(space)
        line.rstrip()
        yield line


def write(built: Table, *, out: Console) -> None:
    """Print a table; into a pipe without the blanks that fill its cells up at the ends of lines."""
    if out.is_terminal:
        out.print(built)
        return
    with out.capture() as captured:
        out.print(built)
    for line in captured.get().splitlines():
        out.file.write(line.rstrip() + "\n")


def print_facts(facts: Iterable[tuple[str, Cell]], *, out: Console | None = None) -> None:
    """Print names and values below each other, aligned; values that are empty are left out."""
    target = out or console()
    shown = [(name, value if isinstance(value, Text) else Text(value)) for name, value in facts]
    shown = [(name, value) for name, value in shown if value.plain]
    grid = Table.grid(padding=(0, _GAP))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in shown:
        grid.add_row(name, value)
    write(grid, out=target)


def heading(title: str, *, out: Console) -> None:
    """Print a blank line and a title in bold."""
    out.print()
    out.print(Text(title, style="bold"))


Verdict = Literal["good", "absent", "warn", "bad"]

_VERDICTS: dict[Verdict, tuple[str, str]] = {
    "good": ("✓", "green"),
    "absent": ("·", "dim"),
    "warn": ("!", "yellow"),
    "bad": ("✗", "red"),
}


def verdict(outcome: Verdict) -> Text:
    """Give the mark of a check: a glyph of its own for each outcome, and a colour."""
    glyph, style = _VERDICTS[outcome]
    return Text(glyph, style=style)


def next_steps(steps: Iterable[tuple[str, str]], *, out: Console) -> None:
    """Print commands to type next, and what each does."""
    grid = Table.grid(padding=(0, _GAP))
    grid.add_column(no_wrap=True, style="bold")
    grid.add_column(style="dim")
    for command, meaning in steps:
        grid.add_row(Text(f"  {command}"), Text(meaning))
    write(grid, out=out)
