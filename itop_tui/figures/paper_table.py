"""The results of runs as a paper prints them: methods down, densities across, mean ± std (n) in the cells.

A row is what the runs differ in beside the setting that has the columns; a cell joins the runs of both, as seeds of one
recipe are joined. Pure functions of records.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from itop_tui.figures.comparison import RESULTS, Result, Stat, best, differing_settings, result_of, statistic
from itop_tui.figures.differences import OF_METHOD, Called, differences, written_value
from itop_tui.figures.format import UNKNOWN, percent, plain
from itop_tui.service.words import no_number

if TYPE_CHECKING:
    from db.records import RunRecord

DENSITY = "density"
METHOD = "method"
DIFFERING = ""
"""What has the rows where no setting was chosen: all that differs beside the columns."""
Format = Literal["markdown", "latex", "csv", "text"]
PAPER_FORMATS: tuple[Format, ...] = get_args(Format)
FORMAT_NAMES: Mapping[Format, str] = {"markdown": "Markdown", "latex": "LaTeX (booktabs)", "csv": "CSV", "text": "text"}
SUFFIXES: Mapping[Format, str] = {"markdown": "md", "latex": "tex", "csv": "csv", "text": "txt"}

_NUMBER = re.compile(r"-?\d+(\.\d+)?(e[-+]?\d+)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class PaperTable:
    """A table of one result.

    Attributes:
        result: What the cells hold.
        across: The setting that has the columns.
        rows: What each row is called.
        columns: The values of the setting, ascending; "–" for runs in which it has no effect.
        cells: Of each row, a statistic for each column.
        best: Of each column, the rows with the best mean.
        mixed: Settings in which runs of one cell differ, beside their seeds.
        called: What distinguishes each row, where that is what it is called.
    """

    result: Result
    across: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: tuple[tuple[Stat, ...], ...]
    best: tuple[frozenset[int], ...]
    mixed: tuple[str, ...] = ()
    called: tuple[Called, ...] = ()

    def row_name(self, row: int, width: int) -> str:
        """What a row is called in so many cells: without the least telling settings where there is no room for all."""
        return self.called[row].fitted(width)[1] if self.called and self.called[row].parts else self.rows[row]

    @property
    def caption(self) -> str:
        """What the cells hold, in a few words."""
        unit = ", %" if self._in_percent else ""
        return f"{self.result.label}{unit}: mean ± std (n)"

    @property
    def note(self) -> str:
        """What a reader has to know of the cells; empty for nothing."""
        return f"Cells join runs that differ in {', '.join(self.mixed)}." if self.mixed else ""

    @property
    def _in_percent(self) -> bool:
        return self.result.write is percent

    def text(self, row: int, column: int) -> str:
        """A cell: "93.10 ± 0.12 (3)"; without a deviation where it is of one run, and "–" for no run."""
        stat = self.cells[row][column]
        if stat.mean is None:
            return UNKNOWN
        deviation = f" ± {self._number(stat.std)}" if stat.std is not None else ""
        return f"{self._number(stat.mean)}{deviation} ({stat.n})"

    def _number(self, value: float) -> str:
        strange = no_number(value)
        if strange is not None:
            return strange
        return f"{100 * value:.2f}" if self._in_percent else self.result.write(value)

    def written(self, form: Format) -> str:
        """The table in a format, with a line break at its end."""
        return {"markdown": self._markdown, "latex": self._latex, "csv": self._csv, "text": self._text}[form]()

    def _lines(self, bold: Callable[[str], str] = str) -> list[list[str]]:
        """The cells of each row, behind its name; the best of each column bold."""
        return [
            [name, *(
                bold(self.text(at, column)) if at in self.best[column] else self.text(at, column)
                for column in range(len(self.columns))
            )]
            for at, name in enumerate(self.rows)
        ]  # fmt: skip

    @property
    def _heads(self) -> list[str]:
        return ["", *(f"{self.across} {column}" for column in self.columns)]

    def _text(self) -> str:
        lines = [self._heads, *self._lines(lambda text: f"*{text}")]
        widths = [max(len(line[at]) for line in lines) for at in range(len(lines[0]))]
        rows = ["  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip() for line in lines]
        notes = [f"{self.caption}; * the best of the column.", *filter(None, [self.note])]
        return "\n".join([*(plain(row) for row in rows), "", *notes, ""])

    def _markdown(self) -> str:
        def line(cells: Sequence[str]) -> str:
            return f"| {' | '.join(cells)} |"

        heads = line([_in_markdown(head) for head in self._heads])
        rows = [line([_in_markdown(name), *cells]) for name, *cells in self._lines(lambda text: f"**{text}**")]
        notes = f"{_in_markdown(self.caption)}. {_in_markdown(self.note)}".rstrip()
        return "\n".join([heads, line(["---", *["---:"] * len(self.columns)]), *rows, "", notes, ""])

    def _latex(self) -> str:
        def cell(text: str) -> str:
            return _in_latex(text).replace("±", r"$\pm$")

        count = len(self.columns)
        rows = [
            [_in_latex(name), *(
                rf"\textbf{{{cell(self.text(at, column))}}}" if at in self.best[column] else cell(self.text(at, column))
                for column in range(count)
            )]
            for at, name in enumerate(self.rows)
        ]  # fmt: skip
        across = rf" & \multicolumn{{{count}}}{{c}}{{{_in_latex(self.across)}}} \\"
        lines = [
            f"% {self.caption}. {self.note}".rstrip(),
            r"% \usepackage{booktabs}",
            rf"\begin{{tabular}}{{l{'r' * count}}}",
            r"\toprule",
            across,
            rf"\cmidrule(lr){{2-{count + 1}}}",
            " & ".join(["", *map(_in_latex, self.columns)]) + r" \\",
            r"\midrule",
            *(" & ".join(row) + r" \\" for row in rows),
            r"\bottomrule",
            r"\end{tabular}",
        ]
        return "\n".join([*map(plain, lines), ""])

    def _csv(self) -> str:
        """Whole numbers, unrounded, for other programs: of each column the mean, the deviation and n."""
        file = io.StringIO()
        writer = csv.writer(file, lineterminator="\n")
        columns = [f"{self.across}={column}" for column in self.columns]
        writer.writerow(["", *(f"{column} {part}" for column in columns for part in ("mean", "std", "n"))])
        for name, row in zip(self.rows, self.cells, strict=True):
            parts = (
                ("" if stat.mean is None else stat.mean, "" if stat.std is None else stat.std, stat.n) for stat in row
            )
            writer.writerow([plain(name), *(value for each in parts for value in each)])
        return file.getvalue()


def paper_table(
    runs: Sequence[RunRecord],
    *,
    rows: str = DIFFERING,
    across: str = DENSITY,
    result: Result | None = None,
    seconds: Mapping[int, float | None] | None = None,
) -> PaperTable:
    """Make the table of runs.

    Args:
        runs: The runs, in the order of the rows.
        rows: The setting (or method) that has the rows; `DIFFERING` for all that differs beside the columns.
        across: The setting (or method) that has the columns.
        result: What the cells hold; by default the test accuracy, or the validation accuracy where no run has one.
        seconds: How long each run took, by its id.
    """
    chosen = result or main_result(runs)
    without = {across, *(OF_METHOD if across == METHOD else ())}
    differing = [name for name in (METHOD, *_recipe_settings(runs)) if name not in without]
    by_row: dict[str, list[RunRecord]] = {}
    for run in runs:
        by_row.setdefault(_recipe_of(run, differing) if rows == DIFFERING else value_of(run, rows), []).append(run)
    heads = sorted({value_of(run, across) for run in runs}, key=_order)
    cells = [
        [[run for run in members if value_of(run, across) == head] for head in heads] for members in by_row.values()
    ]
    stats = tuple(
        tuple(statistic(result_of(run, chosen.name, seconds or {}) for run in cell) for cell in row) for row in cells
    )
    names, named = tuple(by_row), list[Called]()
    if rows == DIFFERING:
        members = list(by_row.values())
        named = differences(members, seeds=False, without=without)
        names = tuple(one.label or own[0].method for one, own in zip(named, members, strict=True))
    return PaperTable(
        chosen,
        across,
        names,
        tuple(heads),
        stats,
        tuple(best([row[column] for row in stats], chosen.best) for column in range(len(heads))),
        tuple(dict.fromkeys(name for row in cells for cell in row for name in _recipe_settings(cell))),
        tuple(named),
    )


def main_result(runs: Sequence[RunRecord]) -> Result:
    """The result that a paper prints: the test accuracy, or the validation accuracy where no run was tested."""
    tested = any(run.test_accuracy is not None for run in runs)
    return RESULTS[0] if tested else RESULTS[1]


def checked(names: Iterable[str]) -> None:
    """Check that settings, or the method, can have rows or columns.

    Raises:
        ValueError: One of them is not known.
    """
    from engine.config.run_config import RunConfig
    from engine.spelling import hint

    known = [METHOD, *RunConfig.model_fields]
    for name in names:
        if name not in known:
            raise ValueError(f"'{name}' must be a setting, or method{hint(name, known)}")


def choices(runs: Sequence[RunRecord]) -> list[str]:
    """What may have the columns: the density, and what else the runs differ in."""
    differing = [name for name in differing_settings(runs) if len({value_of(run, name) for run in runs}) > 1]
    return list(dict.fromkeys([DENSITY, METHOD, *differing]))


def value_of(run: RunRecord, name: str) -> str:
    """A setting of a run, or its method, as a head says it; "–" where it has no effect. A dense run's density is 1."""
    from engine.config.field_info import irrelevant_because

    if name == METHOD:
        return run.method
    if name == DENSITY and run.method == "dense":
        return "1"
    if name not in run.config or irrelevant_because(run.config, name) is not None:
        return UNKNOWN
    return written_value(run.config[name])


def _recipe_of(run: RunRecord, names: Iterable[str]) -> str:
    """What runs of one row share: these settings, as far as they have an effect."""
    return "\n".join(f"{name}={value_of(run, name)}" for name in names)


def _recipe_settings(runs: Sequence[RunRecord]) -> list[str]:
    """The settings of their recipes in which runs differ, and which have an effect in one of them."""
    from db.declared_settings import in_recipe

    return [
        name
        for name in differing_settings(runs)
        if name != "seed" and in_recipe(name) and len({value_of(run, name) for run in runs}) > 1
    ]


def _order(head: str) -> tuple[Any, ...]:
    """Numbers by their size, then words, then what has no effect."""
    return (
        (0, float(head), "")
        if _NUMBER.fullmatch(head) and math.isfinite(float(head))
        else (1 + (head == UNKNOWN), 0.0, head)
    )


def _in_markdown(text: str) -> str:
    return re.sub(r"([\\|*_`<>\[\]])", r"\\\1", plain(text))


_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", UNKNOWN: "--", "∞": r"$\infty$", "×": r"$\times$",
    "<": r"\textless{}", ">": r"\textgreater{}",
}  # fmt: skip


def _in_latex(text: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in plain(text))
