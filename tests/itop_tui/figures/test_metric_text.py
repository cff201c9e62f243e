"""A value of a metric is written in one form: in the head, the list, charts, comparisons and commands."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from db.history.declared import LAYER_METRICS, METRICS, Metric
from db.records import RunRecord
from db.runs import runs
from db.session import Database
from itop_tui.chart.chart import Chart
from itop_tui.cli.commands import history
from itop_tui.cli.terminal import Column
from itop_tui.figures.chart_data import ChartData, Line
from itop_tui.figures.chart_metrics import ChartSpec
from itop_tui.figures.comparison import RESULTS, Result
from itop_tui.figures.metric_text import metric_text, writer
from itop_tui.run.header import head_metrics
from itop_tui.runs.run_columns import CellContext, column
from tests.itop_tui.run.fabricate import record_run

VALUE = 0.09406
_IN_HEAD = {"itop_rate": "R_s", "density": "density", "accuracy": "acc", "val_accuracy": "val", "loss": "loss",
            "death_rate": "ζ", "learning_rate": "lr"}  # fmt: skip
_IN_LIST = {"accuracy": "accuracy", "val_accuracy": "val_accuracy", "density": "density_now"}


def of(name: str) -> float:
    """A value that suits a metric: a share, or a number of things."""
    return 2510.0 if METRICS[name].form in ("count", "rate") else VALUE


@pytest.fixture
def run(database: Database) -> RunRecord:
    made = record_run(database, steps=1)
    changed: dict[str, Any] = {name: of(name) for name in _IN_HEAD} | {"samples_per_second": of("samples_per_second")}
    return replace(runs.get(database, made.id), **changed)


def test_r_s_is_a_fraction_and_other_shares_are_in_per_cent() -> None:
    assert metric_text("itop_rate", VALUE) == "0.094"
    assert metric_text("density", VALUE) == "9.41%"
    assert metric_text("accuracy", VALUE) == "9.41%"
    assert metric_text("accuracy", 1.0) == "100.00%"
    assert metric_text("nonzeros", 2510.0) == "2,510"


@pytest.mark.parametrize("metric", LAYER_METRICS, ids=lambda metric: metric.name)
def test_a_metric_of_a_layer_is_written_as_that_of_the_network(metric: Metric) -> None:
    if metric.name in METRICS:
        assert writer(metric) is writer(METRICS[metric.name])
        assert metric.percent == METRICS[metric.name].percent


@pytest.mark.parametrize("name", METRICS)
def test_charts_write_a_value_as_tables_do(name: str) -> None:
    spec, value = ChartSpec((name,)), of(name)
    line = Line("", np.array([1.0, 2.0]), np.array([value, value]))
    for drawn in (line, replace(line, write=spec.write)):
        chart = Chart(spec.heading, percent=spec.percent, write=spec.write)
        chart.data = ChartData(lines=(drawn,))
        assert metric_text(name, value) in chart.readout(2.0)
    assert spec.percent == metric_text(name, value).endswith("%"), "the axis is in the form of the values"


@pytest.mark.parametrize("name", _IN_HEAD)
def test_the_head_of_a_run_writes_the_same(name: str, run: RunRecord) -> None:
    assert dict(head_metrics(run))[_IN_HEAD[name]] == metric_text(name, of(name))


@pytest.mark.parametrize("name", _IN_LIST)
def test_the_list_writes_the_same(name: str, run: RunRecord) -> None:
    found = column(_IN_LIST[name])
    assert found is not None
    cell = "".join(text for text, _ in found.cell(run, CellContext(now=0.0), 12))
    assert cell.strip() == metric_text(name, of(name))


def test_the_narrow_column_of_r_s_is_the_same_fraction_with_fewer_digits(run: RunRecord) -> None:
    found = column("itop")
    assert found is not None
    assert "".join(text for text, _ in found.cell(run, CellContext(now=0.0), 4)) == "0.09"


@pytest.mark.parametrize(
    "result", [one for one in RESULTS if one.name in METRICS and one.name != "seconds"], ids=lambda one: one.name
)
def test_a_comparison_writes_the_same(result: Result) -> None:
    assert result.write(of(result.name)) == metric_text(result.name, of(result.name))


_COMMAND: tuple[tuple[tuple[Column, ...], dict[str, str]], ...] = (
    (history._STEP_COLUMNS, {"LOSS": "loss", "ACCURACY": "accuracy", "LR": "learning_rate", "DEATH RATE": "death_rate",
                             "DENSITY": "density", "R_S": "itop_rate", "SPEED": "samples_per_second"}),
    (history._EPOCH_COLUMNS, {"VAL LOSS": "val_loss", "VAL ACC": "val_accuracy", "SECONDS": "seconds"}),
    (history._UPDATE_COLUMNS, {"PRUNED": "pruned", "GROWN": "grown", "ACTIVE": "nonzeros", "R_S": "itop_rate",
                               "SURVIVED": "survival", "KEPT LAST": "overlap_previous", "KEPT FIRST": "overlap_first"}),
)  # fmt: skip


@pytest.mark.parametrize(("columns", "names"), _COMMAND, ids=["steps", "epochs", "updates"])
def test_the_commands_write_the_same(columns: tuple[Column, ...], names: dict[str, str]) -> None:
    written = {one.header: one.cell for one in columns}
    for header, name in names.items():
        cell = written[header]
        assert cell is not None
        assert cell(SimpleNamespace(**{name: of(name)})) == metric_text(name, of(name)), header
