"""Tables that fit the terminal, and text that stays data."""

from __future__ import annotations

import io
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from itop_tui.cli.terminal import Cell, Column, data, print_facts, print_table, state
from itop_tui.figures.format import UNKNOWN

COLUMNS = (
    Column("ID", right=True),
    Column("NAME", shrink=True),
    Column("STATE"),
    Column("MODEL", rank=2),
    Column("LOSS", right=True, rank=1),
)


def _console(width: int, *, terminal: bool) -> Console:
    return Console(file=io.StringIO(), width=width, force_terminal=terminal, markup=False, highlight=False)


def _printed(out: Console) -> str:
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue()


@given(st.lists(st.text(max_size=60), min_size=1, max_size=5), st.integers(min_value=36, max_value=160))
def test_no_line_is_wider_than_the_terminal(names: list[str], width: int) -> None:
    out = _console(width, terminal=True)
    rows: list[list[Cell]] = [["1", data(name), state("running"), "lenet300-100", "0.1234"] for name in names]
    print_table(COLUMNS, rows, out=out)
    lines = [line for line in _strip(_printed(out)).splitlines() if line]
    assert all(cell_len(line.rstrip()) <= width for line in lines)
    assert len(lines) == len(names) + 2  # header and its line: no cell is wrapped


def _strip(text: str) -> str:
    import re

    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def test_columns_leave_by_rank_where_it_is_narrow() -> None:
    row: list[Cell] = ["1", data("a name"), state("running"), "lenet300-100", "0.1234"]
    headers = {}
    for width in (80, 36, 24):
        out = _console(width, terminal=True)
        print_table(COLUMNS, [row], out=out)
        headers[width] = _strip(_printed(out)).splitlines()[0].split()
    assert headers[80] == ["ID", "NAME", "STATE", "MODEL", "LOSS"]
    assert headers[36] == ["ID", "NAME", "STATE", "LOSS"]
    assert headers[24] == ["ID", "NAME", "STATE"]


def test_a_column_that_is_unknown_throughout_is_left_out() -> None:
    out = _console(100, terminal=True)
    print_table(COLUMNS, [["1", "a", "queued", "lenet5", UNKNOWN], ["2", "b", "queued", "lenet5", ""]], out=out)
    assert "LOSS" not in _printed(out)


def test_piped_tables_are_plain_and_whole() -> None:
    out = _console(10_000, terminal=False)
    print_table(COLUMNS, [["1", data("n" * 200), state("failed"), "lenet300-100", "0.5"]], out=out)
    header, line = _printed(out).splitlines()
    assert header.split() == ["ID", "NAME", "STATE", "MODEL", "LOSS"]
    assert "n" * 200 in line
    assert line == line.rstrip()
    assert "\x1b" not in _printed(out)


def test_in_a_pipe_no_cell_is_filled_up_to_the_longest_and_a_row_is_a_line() -> None:
    out = _console(10_000, terminal=False)
    rows = [["1", "n" * 300, "queued", "lenet5", "0.5"], ["22", "a name", "two\nlines", "", "0.25"]]
    print_table(COLUMNS, rows, out=out)
    assert _printed(out).splitlines() == [
        "ID  NAME  STATE  MODEL  LOSS",
        f"1  {'n' * 300}  queued  lenet5  0.5",
        "22  a name  two lines    0.25",
    ]


@pytest.mark.parametrize("terminal", [True, False])
def test_cells_may_have_several_lines(terminal: bool) -> None:
    out = _console(40, terminal=terminal)
    name = data("a long name that is cut off " * 3)
    whole = name.plain
    print_table(COLUMNS[:3], [["7", name, state("failed")], [Text("\nall"), "two\nlines", ""]], out=out)
    lines = _strip(_printed(out)).splitlines()
    del lines[1 : 1 + terminal]  # the line under the header
    assert lines[1].split()[0] == "7"
    assert lines[1].endswith("…  ✗ failed")
    assert [line.split() for line in lines[2:]] == [["two"], ["all", "lines"]]
    assert name.plain == whole


HOSTILE = "[bold red]x[/] \x1b[2J\x1b]0;title\x07 \x9b31m ‮evil\n\r\t\x00 end"


def test_hostile_names_stay_data() -> None:
    out = _console(200, terminal=True)
    print_table(COLUMNS, [["1", data(HOSTILE), state("running"), "m", "1"]], out=out)
    print_facts([("name", data(HOSTILE))], out=out)
    text = _strip(_printed(out))
    assert text.count("[bold red]x[/]") == 2
    assert all(character == "\n" or unicodedata.category(character) not in ("Cc", "Cf") for character in text)


@given(st.text(max_size=500))
def test_data_is_one_harmless_line(text: str) -> None:
    shown = data(text).plain
    assert all(unicodedata.category(character) not in ("Cc", "Cf", "Zl", "Zp") for character in shown)


def test_states_look_as_in_the_app() -> None:
    from itop_tui.look.theme import STATES

    assert {name: state(name).plain for name in STATES} == {
        name: f"{look.glyph} {look.word}" for name, look in STATES.items()
    }
    colours = {STATES[name].tone: state(name).style for name in STATES}
    assert colours == {"muted": "dim", "live": "cyan", "warn": "yellow", "good": "green", "bad": "red"}


def test_a_state_is_always_a_word() -> None:
    assert state("killed").plain == "† killed"
    assert state("something newer").plain == "· something newer"


@pytest.mark.parametrize(("variable", "coloured"), [(None, True), ("1", False)])
def test_no_color_is_honoured(monkeypatch: pytest.MonkeyPatch, variable: str | None, coloured: bool) -> None:
    if variable is not None:
        monkeypatch.setenv("NO_COLOR", variable)
    out = Console(file=io.StringIO(), force_terminal=True, color_system="standard", width=80)
    out.print(state("failed"))
    assert ("\x1b[31m" in _printed(out)) is coloured
