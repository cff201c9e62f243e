"""Exporting what is on the screen: a dialog that asks for format and folder, writes in a thread, and says where.

A screen calls `offer_runs` or, with choices of its own, `offer`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

import numpy as np
from textual import on
from textual.widgets import Input, Label, OptionList
from textual.widgets.option_list import Option

from db.records import RunRecord
from db.session import Database
from itop_tui.chart.chart import Chart
from itop_tui.dialogs.questions import Confirm, Question
from itop_tui.export.chart_marks import DrawnMarks
from itop_tui.export.csv_json import write_rows
from itop_tui.export.drawing import Drawing, Part, Trace
from itop_tui.export.run_export import FORMATS, export_runs
from itop_tui.export.svg_text import note_of
from itop_tui.export.written_files import AlreadyThereError, comparison_name, safe_name, written
from itop_tui.figures.chart_data import Line
from itop_tui.figures.format import moment, plain, plural
from itop_tui.figures.paper_table import FORMAT_NAMES, PAPER_FORMATS, SUFFIXES, Format, PaperTable
from itop_tui.figures.x_axis import Across, axis_name
from itop_tui.screen import ItopScreen, shell_of
from itop_tui.widgets.key_bar import KeyHint
from itop_tui.widgets.sheet import Sheet


@dataclass(frozen=True, slots=True)
class Choice:
    """Something that can be exported.

    Attributes:
        label: What it is.
        write: Writes it into a folder and returns the files; called in a thread. Where some are there, it replaces them
            if its last argument is true, and raises `AlreadyThereError` otherwise.
    """

    label: str
    write: Callable[[Database, Path, bool], Sequence[Path]]


class ExportDialog(Question[None]):
    """Asks what to write and where. Leaving it stops nothing: what is being written is written."""

    DEFAULT_CSS = """
    ExportDialog OptionList { height: auto; max-height: 12; border: none; background: $panel; margin: 1 0 0 0; }
    ExportDialog OptionList:focus { border: none; }
    """
    BINDINGS: ClassVar = [("escape", "leave", "cancel")]

    def __init__(self, title: str, choices: Sequence[Choice]) -> None:
        super().__init__(
            title,
            "",
            OptionList(*(Option(choice.label) for choice in choices), markup=False),
            Input(str(Path.cwd()), placeholder="the folder to write into", id="folder", compact=True),
            Label("", classes="body", id="outcome", markup=False),
            keys=(KeyHint("↵", "write it"), KeyHint("tab", "folder"), KeyHint("esc", "close", "screen.leave")),
        )
        self._choices = tuple(choices)
        self.result = ""
        self._busy = False

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        self._write(self._choices[event.option_index])

    @on(Input.Submitted)
    def _submitted(self) -> None:
        highlighted = self.query_one(OptionList).highlighted
        self._write(self._choices[highlighted or 0])

    def _write(self, choice: Choice, *, force: bool = False) -> None:
        if self._busy:
            return
        folder = Path(self.query_one(Input).value.strip() or ".").expanduser()
        self._busy = True
        self._say("writing …")

        def write(db: Database) -> Sequence[Path] | Exception:
            try:
                return choice.write(db, folder, force)
            except Exception as error:  # said in the dialog, where another folder can be chosen
                return error

        def report(found: Sequence[Path] | Exception) -> None:
            self._busy = False
            if isinstance(found, AlreadyThereError) and self.is_active:
                self._ask_to_overwrite(choice, found.targets)
            elif isinstance(found, Exception):
                self._say(f"Not written: {f'{found}'.strip() or type(found).__name__}")
            else:
                more = f" and {plural(len(found) - 1, 'more')}" if len(found) > 1 else ""
                self._say(f"Written to {found[0].absolute()}{more}")

        shell_of(self).operate(write, report, aside=True)

    def _ask_to_overwrite(self, choice: Choice, there: Sequence[Path]) -> None:
        """Ask before anything that is there is replaced."""
        more = len(there) - 1
        what = f"{there[0].name} and {plural(more, 'more')}" if more else there[0].name
        self._say(f"Not written: {what} {'are' if more else 'is'} there already")

        self.app.push_screen(
            Confirm(f"Overwrite {what}?", _loss(there), "Overwrite"),
            lambda yes: self._write(choice, force=True) if yes else None,
        )

    def _say(self, text: str) -> None:
        self.result = text
        if self.is_mounted:
            self.query_one("#outcome", Label).update(plain(text, limit=500))


def _loss(there: Sequence[Path]) -> str:
    """What overwriting means: where it is, how old it is, and what would be lost."""
    where = there[0].absolute()
    try:
        when = f", last written {moment(where.stat().st_mtime)}"
    except OSError:  # gone meanwhile
        when = ""
    if where.is_dir():
        return f"{where}{when}. Files of the same names in it are replaced, others stay."
    return f"{where}{when}. What is in it now is lost."


def run_choices(ids: Sequence[int], *, without: Iterable[str] = ()) -> list[Choice]:
    """A choice for each format of runs, but some."""
    return [_runs_choice(tuple(ids), known.name, known.label) for known in FORMATS if known.name not in without]


def _runs_choice(ids: tuple[int, ...], format_name: str, label: str) -> Choice:
    def write(db: Database, folder: Path, force: bool) -> Sequence[Path]:
        folder.mkdir(parents=True, exist_ok=True)
        return export_runs(db, ids, format_name, folder, force=force)

    return Choice(f"{format_name}: {label}", write)


def _file_choice(label: str, name: str, write: Callable[[Database, Path], object]) -> Choice:
    """A choice that is one file of a folder; `write` gets the path to write to."""

    def put(db: Database, folder: Path, force: bool) -> Sequence[Path]:
        with written(folder / name, force=force) as path:
            write(db, path)
        return [folder / name]

    return Choice(label, put)


def offer(screen: ItopScreen, title: str, choices: Sequence[Choice]) -> None:
    """Ask what of some choices to write, and where."""
    screen.app.push_screen(ExportDialog(title, choices))


def offer_runs(screen: ItopScreen, ids: Sequence[int], *charts: Chart) -> None:
    """Ask in which format to write runs, and where; each chart on the screen is offered as an SVG drawing."""
    name = f"run-{ids[0]}" if len(ids) == 1 else comparison_name(ids)
    drawn = [chart_choice(chart, name) for chart in charts]
    offer(screen, f"Export {plural(len(ids), 'run')}", [*drawn, *run_choices(ids)])


def chart_choice(chart: Chart, name: str, names: Mapping[str, str] = MappingProxyType({})) -> Choice:
    """A chart as an SVG drawing, as it is shown now; `names` are as in `drawing_of`."""
    return drawing_choice(drawing_of(chart, names), name)


def drawing_choice(drawing: Drawing, name: str) -> Choice:
    """A drawing as an SVG file, whose name begins with `name`."""
    file = f"{name}-{safe_name(drawing.title) or 'chart'}.svg"
    label = f"svg: the chart of {plain(drawing.title, 40)}, drawn"
    return _file_choice(label, file, lambda _, path: path.write_text(drawing.svg(), encoding="utf-8"))


def report_choice(runs: Sequence[RunRecord], name: str, *, grouped: bool, across: Across) -> Choice:
    """A comparison as an HTML page; `grouped` joins runs that differ only by their seed."""

    def write(db: Database, path: Path) -> None:
        from itop_tui.export.report import write_report

        write_report(db, runs, path, grouped=grouped, across=across)

    return _file_choice("html: this comparison as a page with plots", f"{name}.html", write)


def drawing_of(chart: Chart, names: Mapping[str, str] = MappingProxyType({})) -> Drawing:
    """A chart as it is shown, as a drawing: its curves within the window, on the same axes.

    Args:
        chart: The chart.
        names: What the legend calls the curves, by their markers; the others as the chart does.
    """
    low, high = chart.extent
    traces: list[Trace] = []
    places: dict[str, int] = {}
    for line in chart.data.lines:
        inside = (line.x >= low) & (line.x <= high)
        part: Part = "raw" if line.is_raw else "parent" if line.tone == "parent" else "own"
        spread = line.std[inside] if len(line.std) == len(line.x) else np.empty(0)
        # The line behind a curve has its colour: the raw line comes before the smoothed one, of the same label.
        position = line.position if line.position is not None else places.setdefault(_curve_of(line), len(places))
        label = _named(names.get(line.marker, ""), line) or line.label.strip() or ("" if line.marker else chart.title)
        traces.append(
            Trace(line.marker, label, position, line.x[inside], line.y[inside], spread, part=part, right=line.right)
        )
    return Drawing(
        chart.title,
        axis_name(chart.data.x_unit),
        chart.title,
        tuple(traces),
        logarithmic=chart.log_scale,
        y_percent=chart.percent,
        right_percent=chart.data.right_percent,
        broken=tuple(mark for mark in chart.data.broken if low <= mark[0] <= high),
        marks=DrawnMarks(chart.data.marks, chart.data.events, chart.data.whose),
        x_unit=chart.data.x_unit,
        x_range=(low, high),
        note=note_of(chart.data.smoothing, chart.data.x_note),
    )


def _named(name: str, line: Line) -> str:
    """What the legend calls a curve, with how many runs it joins."""
    return f"{name} (n = {line.last.n})" if name and line.runs > 1 and line.last is not None else name


def _curve_of(line: Line) -> str:
    """What a line is of, whether it is raw, smooth or the parent's."""
    return line.label.removesuffix("smooth").removesuffix("raw").removesuffix("parent").strip()


def paper_choices(name: str, table: PaperTable) -> list[Choice]:
    """The table of results in each format that a paper or another program takes."""

    def choice(form: Format) -> Choice:
        text = table.written(form)
        label = f"{SUFFIXES[form]}: the table of results as {FORMAT_NAMES[form]}"
        return _file_choice(label, f"{name}-table.{SUFFIXES[form]}", lambda _, path: path.write_text(text, "utf-8"))

    return [choice(form) for form in PAPER_FORMATS]


def sheet_choices(name: str, title: str, sheet: Sheet) -> list[Choice]:
    """A table as CSV and as JSON."""
    heads = [cell.text for cell in sheet.head]
    rows = [[cell.text for cell in row] for row in sheet.rows]

    entries = [dict(zip(heads, row, strict=True)) for row in rows]
    text = json.dumps(entries, indent=2) + "\n"
    file, label = f"{name}-{title}", f"the table of {title}"
    return [
        _file_choice(f"csv: {label}", f"{file}.csv", lambda _, path: write_rows(path, heads, rows)),
        _file_choice(f"json: {label}", f"{file}.json", lambda _, path: path.write_text(text, encoding="utf-8")),
    ]
