"""Metrics without a column: declared, recorded, read, cut back, and known to other programs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import sqlalchemy as sa

from db.errors import StoreError
from db.history import declared, metrics
from db.history.cut_back import truncate
from db.history.declared import LAYER_METRICS, MACHINE_METRICS, METRICS, STEP_COLUMNS, Metric, declare
from db.history.writer import MetricWriter
from db.models import (
    EPOCH_METRICS,
    RUN_METRICS,
    STEP_METRICS,
    UPDATE_METRICS,
    LayerMaskStatRow,
    MaskUpdateRow,
    MetricRow,
    StepMetricRow,
)
from db.records import RunQuery, RunRecord
from db.rows import get_run
from db.runs import runs
from db.session import Database
from tests.db.helpers import started, step

TWENTY = tuple(Metric(f"metric_{number}", f"metric {number}", f"m{number}", "things") for number in range(20))


@pytest.fixture(autouse=True)
def _twenty() -> Iterator[None]:
    """The registry with twenty metrics more, as it was before at the end."""
    before = dict(METRICS)
    declared._by_name.update({metric.name: metric for metric in TWENTY})
    yield
    declared._by_name.clear()
    declared._by_name.update(before)


def record(db: Database, run: RunRecord, attempt: int, values: Mapping[int, Mapping[str, float]], last: int) -> None:
    begin = run.step + 1
    with MetricWriter(db, run.id, attempt) as writer:
        for number in range(begin, last + 1):
            writer.step(step(number, metrics=values.get(number, {})))


def test_every_column_of_a_metric_is_declared() -> None:
    assert STEP_METRICS.names == STEP_COLUMNS
    assert set(STEP_COLUMNS) <= set(sa.inspect(StepMetricRow).columns.keys())
    of_source = {
        source: {metric.name for metric in METRICS.values() if metric.source == source} - {each.name for each in TWENTY}
        for source in ("step", "epoch", "update")
    }
    assert of_source["step"] == set(STEP_COLUMNS) | set(MACHINE_METRICS) | {"gradients_sent"}
    assert of_source["epoch"] == set(EPOCH_METRICS.names) - of_source["step"]
    counts = {"nonzeros", "pruned", "grown"}
    assert of_source["update"] == (set(UPDATE_METRICS.names) | counts) - of_source["step"]
    assert counts <= set(sa.inspect(MaskUpdateRow).columns.keys())
    worked_out = {"density", "itop_rate", "churn"}
    assert {each.name for each in LAYER_METRICS} - worked_out <= set(sa.inspect(LayerMaskStatRow).columns.keys())
    assert len({metric.title for metric in METRICS.values()}) == len(METRICS)


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        (Metric("Loss", "", "", ""), "cannot be named 'Loss'"),
        (Metric("epoch", "", "", ""), "cannot be named 'epoch'"),
        (Metric("a@b", "", "", ""), "cannot be named 'a@b'"),
        (Metric("a" * 65, "", "", ""), "cannot be named"),
        (Metric("loss", "another", "", ""), "another metric 'loss' already"),
        (Metric("energy", "energy", "", "J", "epoch"), "only step metrics can be added"),
    ],
)
def test_a_declaration_that_cannot_be_kept_is_refused(metric: Metric, message: str) -> None:
    before = dict(METRICS)
    with pytest.raises(StoreError, match=message):
        declare(metric)
    assert dict(METRICS) == before


def test_declaring_twice_changes_nothing() -> None:
    energy = Metric("energy", "energy", "energy", "J")
    assert declare(energy) is energy
    assert declare(Metric("energy", "energy", "energy", "J")) == energy
    assert METRICS["energy"] is energy
    assert list(METRICS)[-1] == "energy"


def test_twenty_metrics_are_recorded_now_and_then_and_read_back(db: Database) -> None:
    run, attempt = started(db)
    values = {
        number: {each.name: number + place / 8 for place, each in enumerate(TWENTY) if number % (place + 1) == 0}
        for number in range(1, 600)
    }
    values[300] |= {"metric_1": math.nan, "metric_2": math.inf, "metric_3": -math.inf}
    record(db, run, attempt.id, values, 599)
    read = metrics.steps(db, run.id)
    assert [row.step for row in read] == list(range(1, 600))
    for row in read:
        assert {name: repr(value) for name, value in row.metrics.items()} == {
            name: repr(value) for name, value in values[row.step].items()
        }
        assert row.value("loss") == 0.5
        assert repr(row.value("metric_1")) == repr(values[row.step].get("metric_1"))
    assert metrics.recorded(db, [run.id]) == tuple(each.name for each in TWENTY)
    for name in ("metric_1", "metric_2", "metric_19"):
        own = [(number, found[name]) for number, found in values.items() if name in found]
        curve = metrics.series(db, run.id, name)
        assert curve.steps == [number for number, _ in own]
        assert list(map(repr, curve.values)) == [repr(value) for _, value in own]
    page = metrics.steps(db, run.id, after=100, limit=3)
    assert [row.metrics["metric_0"] for row in page] == [101.0, 102.0, 103.0]
    assert [row.metrics["metric_0"] for row in metrics.steps(db, run.id, latest=2)] == [598.0, 599.0]


def test_a_run_has_the_latest_values_of_all_of_them_without_a_look_at_its_steps(db: Database) -> None:
    run, attempt = started(db)
    record(db, run, attempt.id, {1: {"metric_1": 1.0, "metric_2": math.nan}, 5: {"metric_1": 2.0}}, 9)
    with MetricWriter(db, run.id, attempt.id) as writer:  # another writer keeps what there was
        writer.progress(metric_7=math.inf, test_accuracy=0.5)
    found = runs.get(db, run.id)
    assert {name: repr(value) for name, value in found.metrics.items()} == {
        "metric_1": "2.0",
        "metric_2": "nan",
        "metric_7": "inf",
    }
    assert found.test_accuracy == 0.5
    assert [repr(listed.metrics) for listed in runs.list_runs(db, RunQuery())] == [repr(found.metrics)]
    assert len(RUN_METRICS.names) + len(TWENTY) > 15


def test_runs_are_found_and_sorted_by_the_latest_value_of_any_of_them(db: Database) -> None:
    ids: list[int] = []
    for value in (1.5, math.nan, 3.0, math.inf, None, 2.0):
        run, attempt = started(db)
        record(db, run, attempt.id, {} if value is None else {1: {"metric_1": value}}, 2)
        ids.append(run.id)

    def found(text: str = "", **order: Any) -> list[int]:
        return [ids.index(run.id) for run in runs.list_runs(db, RunQuery(text=text, **order))]

    assert found("metrics.metric_1>1.5", sort="id", descending=False) == [2, 5]
    assert found("metrics.metric_1<=2", sort="id", descending=False) == [0, 5]
    assert found(sort="metrics.metric_1", descending=False)[:3] == [0, 5, 2]
    assert found(sort="metrics.metric_1", descending=True)[:3] == [2, 5, 0]
    assert found("metrics.metric_2>0") == []


def test_what_is_not_declared_or_is_the_trainers_own_is_refused_at_the_call(db: Database) -> None:
    run, attempt = started(db)
    with MetricWriter(db, run.id, attempt.id) as writer:
        with pytest.raises(StoreError, match=r"no metric 'metric_x'. Did you mean 'metric_"):
            writer.step(step(1, metrics={"metric_x": 1.0}))
        with pytest.raises(StoreError, match="'loss' is recorded by the trainer itself"):
            writer.step(step(1, metrics={"loss": 1.0}))
        with pytest.raises(StoreError, match="no metric 'status'"):
            writer.progress(status="completed")
        writer.step(step(1, metrics={"metric_1": 1.0}))
    assert [row.metrics for row in metrics.steps(db, run.id)] == [{"metric_1": 1.0}]


@pytest.mark.parametrize("after", [-1, 4, 300, 512])
def test_cutting_back_takes_the_values_along(db: Database, after: int) -> None:
    run, attempt = started(db)
    values = {number: {"metric_1": float(number), "metric_2": 1.0} for number in range(3, 600)}
    record(db, run, attempt.id, values, 599)
    with db.write() as session:
        row = get_run(session, run.id)
        row.step = max(after, 0)
        truncate(session, row, after)
    kept = [number for number in values if number <= after]
    found = runs.get(db, run.id)
    assert found.metrics == ({"metric_1": float(after), "metric_2": 1.0} if kept else {})
    assert metrics.series(db, run.id, "metric_1").steps == kept
    again = {number: {"metric_1": -1.0} for number in range(after + 1, 700)}
    record(db, found, attempt.id, again, 699)
    curve = metrics.series(db, run.id, "metric_1", buckets=8)
    assert min(curve.values) == -1.0
    assert max(curve.values) == (after if kept else -1.0)
    assert curve.steps[-1] == 699


def test_a_curve_of_a_sparse_metric_is_thinned_averaged_and_small(db: Database) -> None:
    run, attempt = started(db)
    values = {number: {"metric_1": float(number % 100), "metric_2": 7.0} for number in range(100, 5000, 10)}
    values[2510] = {"metric_1": 1e6}
    record(db, run, attempt.id, values, 5000)
    thin = metrics.series(db, run.id, "metric_1", buckets=10)
    assert len(thin.steps) <= 2 * 10 + 2
    assert 1e6 in thin.values
    assert (thin.steps[0], thin.steps[-1]) == (100, 4990)
    mean = metrics.averages(db, run.id, "metric_2", first=1, last=5000, buckets=5)
    assert mean.values == [7.0] * 5
    assert metrics.averages(db, run.id, "metric_2", first=1, last=5000, buckets=5).steps == mean.steps
    assert len(metrics.sparks(db, [run.id], "metric_1", points=9)[run.id]) == 9
    together = metrics.several(db, [run.id], ["loss", "metric_1", "churn"], buckets=10)[run.id]
    assert together["metric_1"] == thin
    assert together["loss"] == metrics.series(db, run.id, "loss", buckets=10)
    assert metrics.series(db, run.id, "metric_9").steps == []  # declared, and recorded by no run


def test_another_run_has_its_own(db: Database) -> None:
    one, first = started(db)
    two, second = started(db)
    record(db, one, first.id, {1: {"metric_1": 1.0}}, 400)
    record(db, two, second.id, {2: {"metric_1": 2.0, "metric_2": 3.0}}, 400)
    found = metrics.several(db, [one.id, two.id], ["metric_1", "metric_2"], buckets=3)
    assert [found[run.id]["metric_1"].values for run in (one, two)] == [[1.0], [2.0]]
    assert [found[run.id]["metric_2"].values for run in (one, two)] == [[], [3.0]]
    assert metrics.recorded(db, [one.id]) == ("metric_1",)
    assert metrics.recorded(db, [one.id, two.id]) == ("metric_1", "metric_2")
    assert metrics.recorded(db, []) == ()


def test_a_program_that_does_not_declare_it_learns_it_from_the_database(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, attempt = started(db)
    record(db, run, attempt.id, {1: {"metric_1": 1.5}}, 3)
    monkeypatch.delitem(declared._by_name, "metric_1")
    assert "metric_1" not in METRICS
    # It can be read by its name all the same.
    assert metrics.series(db, run.id, "metric_1").values == [1.5]
    assert metrics.steps(db, run.id)[0].metrics == {"metric_1": 1.5}
    assert metrics.learn(db) == ("metric_1",)
    assert METRICS["metric_1"] == TWENTY[1]
    assert metrics.learn(db) == ()


def test_a_declaration_that_was_changed_is_kept_as_it_is_now(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    run, attempt = started(db)
    record(db, run, attempt.id, {1: {"metric_1": 1.5}}, 1)
    monkeypatch.setitem(declared._by_name, "metric_1", Metric("metric_1", "a better title", "m", "things"))
    record(db, runs.get(db, run.id), attempt.id, {2: {"metric_1": 2.5}}, 2)
    with db.read() as session:
        rows = session.execute(sa.select(MetricRow.name, MetricRow.declaration)).all()
    assert [(name, declaration["title"]) for name, declaration in rows] == [("metric_1", "a better title")]
    assert metrics.series(db, run.id, "metric_1").values == [1.5, 2.5]
