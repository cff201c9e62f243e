"""Exporting what is on the screen: a dialog that asks for format and folder, writes in a thread, and says where.

A screen calls `offer_runs` or, with choices of its own, `offer`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, cast

import numpy as np
from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Label, OptionList
from textual.widgets.option_list import Option

from db.session import Database
from itop_tui.export.drawing import Drawing, Trace
from itop_tui.export.files import safe_name, written
from itop_tui.export.runs import FORMATS, export_runs
from itop_tui.export.text import write_rows
from itop_tui.format import plain, plural
from itop_tui.screens.base import ItopScreen
from itop_tui.widgets.chart import Chart
from itop_tui.widgets.compare_chart import BandLine
from itop_tui.widgets.key_bar import KeyBar, KeyHint
from itop_tui.widgets.sheet import Sheet


@dataclass(frozen=True, slots=True)
class Choice:
    """Something that can be exported.

    Attributes:
        label: What it is.
        write: Writes it into a folder and returns the files; called in a thread.
    """

    label: str
    write: Callable[[Database, Path], Sequence[Path]]


class ExportDialog(ModalScreen[None]):
    """Asks what to write and where.

    Args:
        title: What is exported.
        choices: What can be written.
    """

    CSS_PATH = "dialogs.tcss"
    DEFAULT_CSS = """
    ExportDialog OptionList { height: auto; max-height: 12; border: none; background: $panel; margin: 1 0 0 0; }
    ExportDialog OptionList:focus { border: none; }
    """
    BINDINGS: ClassVar = [("escape", "leave", "leave it")]

    def __init__(self, title: str, choices: Sequence[Choice]) -> None:
        super().__init__()
        self._title, self._choices = title, tuple(choices)
        self.result = ""

    def compose(self) -> ComposeResult:
        """Lay out the question."""
        with Vertical(classes="dialog"):
            yield Label(plain(self._title, limit=100), classes="title", markup=False)
            yield OptionList(*(Option(choice.label) for choice in self._choices), markup=False)
            yield Input(str(Path.cwd()), placeholder="the folder to write into", id="folder", compact=True)
            yield Label("", classes="body", id="outcome", markup=False)
            yield KeyBar()

    def on_mount(self) -> None:
        """Show the keys."""
        self.query_one(KeyBar).hints = (
            KeyHint("↵", "write it"),
            KeyHint("tab", "folder"),
            KeyHint("esc", "close", "screen.leave"),
        )

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        self._write(self._choices[event.option_index])

    @on(Input.Submitted)
    def _submitted(self) -> None:
        highlighted = self.query_one(OptionList).highlighted
        self._write(self._choices[highlighted or 0])

    def _write(self, choice: Choice) -> None:
        from itop_tui.app import ItopApp

        folder = Path(self.query_one(Input).value.strip() or ".").expanduser()
        self._say("writing …")

        def write(db: Database) -> Sequence[Path] | Exception:
            try:
                return choice.write(db, folder)
            except Exception as error:  # said in the dialog, where another folder can be chosen
                return error

        def tell(found: Sequence[Path] | Exception) -> None:
            if isinstance(found, Exception):
                self._say(f"Not written: {f'{found}'.strip() or type(found).__name__}")
                return
            more = f" and {plural(len(found) - 1, 'more')}" if len(found) > 1 else ""
            self._say(f"Written to {found[0].absolute()}{more}")

        cast(ItopApp, self.app).operate(write, tell)

    def _say(self, text: str) -> None:
        self.result = text
        if self.is_mounted:
            self.query_one("#outcome", Label).update(plain(text, limit=500))

    def action_leave(self) -> None:
        """Close the dialog; what is being written is written."""
        self.dismiss(None)


def run_choices(ids: Sequence[int], *, without: Iterable[str] = ()) -> list[Choice]:
    """A choice for each format of runs.

    Args:
        ids: The runs.
        without: Formats to leave out.
    """
    return [
        Choice(f"{known.name}: {known.label}", _writer(tuple(ids), known.name))
        for known in FORMATS
        if known.name not in without
    ]


def _writer(ids: tuple[int, ...], format_name: str) -> Callable[[Database, Path], Sequence[Path]]:
    return lambda db, folder: export_runs(db, ids, format_name, _folder(folder))


def _folder(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def offer(screen: ItopScreen, title: str, choices: Sequence[Choice]) -> None:
    """Ask what of some choices to write, and where."""
    screen.app.push_screen(ExportDialog(title, choices))


def offer_runs(screen: ItopScreen, ids: Sequence[int], *charts: Chart) -> None:
    """Ask in which format to write runs, and where.

    Args:
        screen: The screen that asks.
        ids: The runs.
        *charts: Charts on the screen, each offered as an SVG drawing.
    """
    offer(screen, f"Export {plural(len(ids), 'run')}", [*map(chart_choice, charts), *run_choices(ids)])


def chart_choice(chart: Chart) -> Choice:
    """A chart as an SVG drawing, as it is shown now."""
    drawing = drawing_of(chart)

    def write(db: Database, folder: Path) -> Sequence[Path]:
        target = folder / f"{safe_name(drawing.title) or 'chart'}.svg"
        with written(target) as path:
            path.write_text(drawing.svg(), encoding="utf-8")
        return [target]

    return Choice(f"svg: the chart of {plain(drawing.title, 40)}, drawn", write)


def drawing_of(chart: Chart) -> Drawing:
    """A chart as it is shown, as a drawing: its curves within the window, on the same axes."""
    low, high = chart.extent
    traces: list[Trace] = []
    for line in chart.data.lines:
        inside = (line.x >= low) & (line.x <= high)
        band = isinstance(line, BandLine) and len(line.std) == len(line.x)
        position = line.position if isinstance(line, BandLine) else len(traces)
        spread = line.std[inside] if band and isinstance(line, BandLine) else np.empty(0)
        label = line.label.strip() or ("" if line.marker else chart.title)
        traces.append(Trace(line.marker, label, position, line.x[inside], line.y[inside], spread))
    return Drawing(
        chart.title,
        f"{chart.data.x_unit}s",
        chart.title,
        tuple(traces),
        logarithmic=chart.log_scale,
        y_percent=chart.percent,
    )


def sheet_choices(name: str, sheet: Sheet) -> list[Choice]:
    """A table as CSV and as JSON."""

    def write_csv(db: Database, folder: Path) -> Sequence[Path]:
        target = folder / f"comparison-{name}.csv"
        with written(target) as path:
            write_rows(path, [cell.text for cell in sheet.head], [[*(cell.text for cell in row)] for row in sheet.rows])
        return [target]

    def write_json(db: Database, folder: Path) -> Sequence[Path]:
        import json

        heads = [cell.text for cell in sheet.head]
        rows = [dict(zip(heads, (cell.text for cell in row), strict=True)) for row in sheet.rows]
        target = folder / f"comparison-{name}.json"
        with written(target) as path:
            path.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
        return [target]

    return [Choice(f"csv: the table of {name}", write_csv), Choice(f"json: the table of {name}", write_json)]
