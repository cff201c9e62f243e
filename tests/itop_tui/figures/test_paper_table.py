"""The table of results as a paper prints it, worked out by hand."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from typing import Any

import pytest

from db.records import RunRecord
from itop_tui.figures.comparison import RESULTS, Stat
from itop_tui.figures.paper_table import PAPER_FORMATS, choices, paper_table, value_of
from tests.itop_tui.figures.test_differences import run


def scored(number: int, accuracy: float | None, **changes: Any) -> RunRecord:
    return replace(run(number, **changes), test_accuracy=accuracy, best_val_accuracy=0.5)


RIGL = [scored(n, value, seed=n) for n, value in enumerate((0.93, 0.95), 1)]
SPARSER = [scored(3, 0.90, density=0.01)]
SET = [scored(4, 0.91, growth="random"), scored(5, 0.905, growth="random", density=0.01)]
DENSE = [scored(6, 0.97, sparse=False)]
TABLE = paper_table([*RIGL, *SPARSER, *SET, *DENSE])


def test_methods_are_rows_and_densities_columns() -> None:
    assert TABLE.rows == ("RigL-ITOP", "SET-ITOP", "dense")
    assert TABLE.columns == ("0.01", "0.05", "1")
    assert TABLE.cells[0][1] == Stat(pytest.approx(0.94), pytest.approx(0.02 / 2**0.5), 2)  # type: ignore[arg-type]
    # Deviation of 0.93 and 0.95: ±0.01 around the mean, (1 + 1)·1e-4 / 1.
    assert [TABLE.text(0, at) for at in range(3)] == ["90.00 (1)", "94.00 ± 1.41 (2)", "–"]
    assert TABLE.text(2, 2) == "97.00 (1)"
    assert TABLE.note == ""


def test_the_best_of_a_column_is_marked_where_there_are_two() -> None:
    assert TABLE.best == (frozenset({1}), frozenset({0}), frozenset())


def test_rows_are_all_that_differs_beside_the_columns() -> None:
    runs = [scored(1, 0.9), scored(2, 0.8, lr=0.5), scored(3, 0.7, lr=0.5, density=0.01)]
    assert paper_table(runs).rows == ("lr=0.1", "lr=0.5")
    across = paper_table(runs, across="lr")
    assert (across.rows, across.columns) == (("density=0.05", "density=0.01"), ("0.1", "0.5"))


def test_methods_can_have_the_columns() -> None:
    table = paper_table([*RIGL, *SET, *DENSE], across="method")
    assert table.columns == ("RigL-ITOP", "SET-ITOP", "dense")
    assert [table.text(0, at) for at in range(2)] == ["94.00 ± 1.41 (2)", "91.00 (1)"]


def test_chosen_rows_join_what_differs_otherwise_and_say_so() -> None:
    table = paper_table([scored(1, 0.9), scored(2, 0.8, lr=0.5)], rows="method")
    assert (table.rows, table.text(0, 0)) == (("RigL-ITOP",), "85.00 ± 7.07 (2)")
    assert table.note == "Cells join runs that differ in lr."


def test_validation_stands_in_until_a_run_is_tested_and_any_result_can_be_chosen() -> None:
    table = paper_table([scored(1, None)])
    assert (table.result.label, table.text(0, 0)) == ("best val accuracy", "50.00 (1)")
    loss = next(result for result in RESULTS if result.name == "loss")
    losses = [replace(scored(1, 0.9), loss=0.5), replace(scored(2, 0.9, growth="random"), loss=0.25)]
    table = paper_table(losses, result=loss)
    assert table.best == (frozenset({1}),)
    assert table.caption == "last loss: mean ± std (n)"


def test_what_diverged_is_no_best() -> None:
    runs = [replace(scored(1, 0.9), loss=float("nan")), replace(scored(2, 0.9, growth="random"), loss=0.2)]
    table = paper_table(runs, result=next(result for result in RESULTS if result.name == "loss"))
    assert table.text(0, 0) == "NaN (1)"
    assert table.best == (frozenset(),)


def test_markdown() -> None:
    assert TABLE.written("markdown") == (
        "|  | density 0.01 | density 0.05 | density 1 |\n"
        "| --- | ---: | ---: | ---: |\n"
        "| RigL-ITOP | 90.00 (1) | **94.00 ± 1.41 (2)** | – |\n"
        "| SET-ITOP | **90.50 (1)** | 91.00 (1) | – |\n"
        "| dense | – | – | 97.00 (1) |\n"
        "\n"
        "test accuracy, %: mean ± std (n).\n"
    )


def test_latex_with_booktabs() -> None:
    assert TABLE.written("latex") == (
        "% test accuracy, %: mean ± std (n).\n"
        "% \\usepackage{booktabs}\n"
        "\\begin{tabular}{lrrr}\n"
        "\\toprule\n"
        " & \\multicolumn{3}{c}{density} \\\\\n"
        "\\cmidrule(lr){2-4}\n"
        " & 0.01 & 0.05 & 1 \\\\\n"
        "\\midrule\n"
        "RigL-ITOP & 90.00 (1) & \\textbf{94.00 $\\pm$ 1.41 (2)} & -- \\\\\n"
        "SET-ITOP & \\textbf{90.50 (1)} & 91.00 (1) & -- \\\\\n"
        "dense & -- & -- & 97.00 (1) \\\\\n"
        "\\bottomrule\n"
        "\\end{tabular}\n"
    )


def test_csv_has_the_numbers_as_they_are() -> None:
    head, *rows = csv.reader(io.StringIO(TABLE.written("csv")))
    assert head[:4] == ["", "density=0.01 mean", "density=0.01 std", "density=0.01 n"]
    assert rows[0][0] == "RigL-ITOP"
    assert float(rows[0][4]) == pytest.approx(0.94)
    assert rows[0][7:] == ["", "", "0"]


def test_text_is_aligned() -> None:
    lines = TABLE.written("text").splitlines()
    assert lines[1].rstrip().endswith("–")
    assert len({len(line) for line in lines[:2]}) == 1
    assert "*94.00 ± 1.41 (2)" in lines[1]


def test_names_are_data_in_every_format() -> None:
    runs = [scored(1, 0.9, weights="/a_b/%x|{y}\x1b[2J.pt"), scored(2, 0.8)]
    table = paper_table(runs)
    for form in PAPER_FORMATS:
        assert "\x1b" not in table.written(form)
    assert r"\%x|\{y\}" in table.written("latex")
    assert r"%x\|{y}" in table.written("markdown")


def test_what_may_have_the_columns() -> None:
    assert choices([*RIGL, *SET]) == ["density", "method", "growth", "seed"]
    assert value_of(DENSE[0], "growth") == "–"
