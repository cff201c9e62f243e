"""What one declaration of a step metric brings: from the training to the charts, the command line and every export."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator
from contextlib import closing
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from db.errors import StoreError
from db.history import declared, metrics
from db.history.declared import METRICS, Metric, declare
from db.history.writer import MetricWriter
from db.records import RunRecord, RunStatus, StepMetric
from db.runs import attempts, runs
from db.session import Database
from engine.launch.processes import host_name
from engine.training.callbacks import Callback
from engine.training.recorder import Recorder
from engine.training.training import Training
from itop_tui.cli import application
from itop_tui.export.run_export import export_runs
from itop_tui.figures.chart_metrics import (
    ChartSpec,
    all_metrics,
    as_setting,
    choices,
    comparison_metrics,
    find,
    from_setting,
)
from itop_tui.figures.comparison_curves import read_curves
from itop_tui.figures.curve_reader import CurveReader
from itop_tui.figures.curves import CurveRequest, Members
from itop_tui.opening import leave, open_database
from tests.engine.training.helpers import config, trainer

STEPS = 300  # more than a chunk of thinned copies


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    """What a test declares is forgotten at its end."""
    before = dict(METRICS)
    yield
    declared._by_name.clear()
    declared._by_name.update(before)


@pytest.fixture
def db(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    monkeypatch.delenv("ITOP_DATABASE_URL", raising=False)
    monkeypatch.setenv("ITOP_HOME", str(tmp_path / "home"))
    with closing(Database.open()) as opened:
        yield opened


class Computes(Callback):
    """The one line that computes a metric, here for some metrics: at each step, on the device, and now and then."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names

    def on_step_end(self, trainer: Training) -> None:
        weight = next(trainer.model.parameters())
        for name in self.names:
            trainer.record(**{name: weight.detach().abs().max()})
        if trainer.step % 40 == 0:
            trainer.record(power=100.0 + trainer.step)


def trained(db: Database, names: tuple[str, ...]) -> RunRecord:
    settings = config(batch_size=16, max_steps=STEPS, epochs=9)
    run = runs.create(db, config=settings.as_dict(), name="trained")
    attempt = runs.reserve(db, run.id, host=host_name(), device="cpu", slots=1)
    assert attempt is not None
    with MetricWriter(db, run.id, attempt.id) as writer:
        trainer(settings, [Computes(names), Recorder(writer)]).fit()
    assert attempts.finish(db, attempt.id, status=RunStatus.COMPLETED, reason=None)
    return runs.get(db, run.id)


def itop(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    assert application.run(list(words)) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("count", [1, 3, 20])
def test_it_is_everywhere(
    db: Database,
    count: int,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    declare(Metric("power", "power of the device", "power", "W"))
    names = tuple(f"largest_{number}" for number in range(count))
    for name in names:
        declare(Metric(name, f"{name} weight", name, "weight", logarithmic=True, noisy=True))

    run = trained(db, names)

    # The store: every value, the latest ones with the run, thinned curves that keep the peaks.
    steps = metrics.steps(db, run.id)
    assert [row.step for row in steps] == list(range(1, STEPS + 1))
    assert all(set(row.metrics) >= set(names) for row in steps)
    assert [row.step for row in steps if "power" in row.metrics] == [1, *range(41, STEPS + 1, 40)]
    assert set(run.metrics) == {*names, "power"}
    values = [row.metrics[names[-1]] for row in steps]
    assert all(value > 0 for value in values)
    assert run.metrics[names[-1]] == values[-1]
    thin = metrics.series(db, run.id, names[-1], buckets=5)
    assert len(thin.steps) <= 12
    assert {min(values), max(values)} <= set(thin.values)

    # The charts: the list to choose from, a chart of it, a run's curves and a comparison's.
    assert {*names, "power"} <= {metric.name for metric in all_metrics()}
    assert {*names, "power"} <= {metric.name for metric in comparison_metrics()}
    metric = find(names[-1])
    assert metric is not None
    (spec,) = from_setting(as_setting([ChartSpec((names[-1],))]))
    assert (spec.heading, spec.logarithmic) == (f"{names[-1]} weight", True)
    request = CurveRequest(names=(names[-1], "power"), columns=20, smoothing=0.5)
    curves = CurveReader(db, run.id).read(request, generation=1)
    assert curves.by_name[names[-1]].steps[-1] == STEPS
    assert curves.by_name["power"].steps.tolist() == [1, *range(41, STEPS + 1, 40)]
    compared = read_curves(db, CurveRequest((names[-1], "power"), smoothing=0.5, members=(Members((run.id,), STEPS),)))
    assert len(compared.by_name[names[-1]][0].x) > 5

    # The command line.
    rows = json.loads(itop(capsys, "metrics", "trained", "--json"))
    assert [row[names[-1]] for row in rows] == values
    assert [row["power"] for row in rows[:3]] == [100.0, None, None]
    assert list(rows[0])[:4] == ["step", "epoch", "loss", "accuracy"]
    assert "metrics" not in rows[0]
    assert json.loads(itop(capsys, "show", "trained", "--json"))["metrics"]["power"] == 380.0
    monkeypatch.setenv("COLUMNS", "200")
    assert names[0].replace("_", " ").upper() in itop(capsys, "metrics", "trained") or count == 20

    # The exports.
    for kind in ("csv", "json", "parquet", "tensorboard", "html"):
        export_runs(db, [run.id], kind, tmp_path / "out")
    (folder,) = (tmp_path / "out").glob("*-csv")
    with (folder / "steps.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [float(line[names[-1]]) for line in lines] == values
    assert [line["power"] for line in lines[:3]] == ["100.0", "", ""]
    (document,) = (tmp_path / "out").glob("*.json")
    assert [row[names[-1]] for row in json.loads(document.read_text())["steps"]] == values
    assert _parquet_column(tmp_path / "out", names[-1]) == values
    tags = _tensorboard_scalars(tmp_path / "out")
    assert tags[f"step/{names[-1]}"] == STEPS
    assert tags["step/power"] == 8
    (page,) = (tmp_path / "out").glob("*.html")
    assert f"{names[-1]} weight" in page.read_text()


def _parquet_column(folder: Path, name: str) -> list[Any]:
    pq: Any = import_module("pyarrow.parquet")
    (found,) = folder.glob("*-parquet")
    column: list[Any] = pq.read_table(found / "steps.parquet").column(name).to_pylist()
    return column


def _tensorboard_scalars(folder: Path) -> dict[str, int]:
    accumulator: Any = import_module("tensorboard.backend.event_processing.event_accumulator")
    (found,) = folder.glob("*-tensorboard")
    events = accumulator.EventAccumulator(str(found), size_guidance={"scalars": 0})
    events.Reload()
    return {tag: len(events.Scalars(tag)) for tag in events.Tags()["scalars"]}


def test_a_chart_follows_it_while_the_run_goes_on(db: Database) -> None:
    declare(Metric("power", "power of the device", "power", "W"))
    run = runs.create(db, config=config().as_dict())
    attempt = runs.reserve(db, run.id, host=host_name(), device="cpu", slots=1)
    assert attempt is not None
    reader, request = CurveReader(db, run.id), CurveRequest(names=("power",), columns=20)
    with MetricWriter(db, run.id, attempt.id) as writer:
        for begin in (1, 11, 21):
            for number in range(begin, begin + 10):
                own = {"power": math.nan if number == 20 else float(number)} if number % 5 == 0 else {}
                writer.step(StepMetric(number, 1, 0.5, metrics=own))
            writer.flush()
            curve = reader.read(request, generation=1).by_name["power"]
            assert curve.steps.tolist() == list(range(5, begin + 10, 5))
            assert [value for value in curve.values if math.isfinite(value)] == [
                number for number in range(5, begin + 10, 5) if number != 20
            ]


def test_what_only_the_recording_program_declares_can_be_chosen_all_the_same(db: Database) -> None:
    """A metric of a user's own code, which the app does not import."""
    power = declare(Metric("power", "power of the device", "power", "W"))
    run = trained(db, ())
    del declared._by_name["power"]
    assert find("power") is None
    assert power in choices(db, run.id)
    assert find("power") == power
    del declared._by_name["power"]
    opened = open_database(Database.open)
    assert find("power") == power
    leave(opened)


def test_what_is_not_declared_is_refused_where_it_is_recorded() -> None:
    made = trainer(config())
    with pytest.raises(StoreError, match=r"There is no metric 'los'\. Did you mean 'loss'"):
        made.record(los=1.0)
    with pytest.raises(StoreError, match="'loss' is recorded by the trainer itself"):
        made.record(loss=1.0)
