from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy.engine.interfaces import CacheStats

from db.errors import StoreError
from db.history import declared, levels, metrics
from db.history.cut_back import truncate
from db.history.declared import Metric
from db.history.points import level_for
from db.history.registered import register
from db.history.writer import MetricWriter
from db.models import STEP_METRICS, VALUE_METRICS, StepMetricRow, StepValueRow
from db.records import EpochMetric, MaskUpdate, Series
from db.rows import get_run
from db.session import Database
from tests.db.helpers import fastest, new_run, started, step

PERCOLATED = Metric("percolated", "percolated share", "percolated", "share of weights")
LOSS = "loss"


@pytest.fixture(autouse=True)
def _declared(monkeypatch: pytest.MonkeyPatch) -> None:
    """A metric without a column."""
    monkeypatch.setitem(declared._by_name, PERCOLATED.name, PERCOLATED)


def put(db: Database, run_id: int, points: Sequence[tuple[int, float | None]], metric: str = LOSS) -> None:
    """Record one batch, as `MetricWriter` does."""
    rows = [
        {"run_id": run_id, "step": number, "epoch": 0, "loss": value if metric == LOSS else None, "at": 0.0}
        for number, value in points
    ]
    values = [(number, value) for number, value in points if metric != LOSS and value is not None]
    with db.write() as session:
        session.execute(sa.insert(StepMetricRow), [STEP_METRICS.encode(row) for row in rows])
        if values:
            number = register(db, session, [metric])[metric]
            own = [{"run_id": run_id, "metric_id": number, "step": step, "value": value} for step, value in values]
            session.execute(sa.insert(StepValueRow), [VALUE_METRICS.encode(row) for row in own])
        levels.seal(session, run_id, points[0][0], points[-1][0])


def record(db: Database, points: Sequence[tuple[int, float | None]], metric: str = LOSS) -> int:
    run = new_run(db)
    for start in range(0, len(points), 10_000):
        put(db, run.id, points[start : start + 10_000], metric)
    return run.id


def text(value: float) -> str:
    """Finds nan equal to nan, which == does not; SQLite does not keep the sign of zero."""
    return repr(value + 0.0)


def kind(value: float) -> str:
    return "finite" if math.isfinite(value) else str(value)


def thinned_by_hand(
    points: Sequence[tuple[int, float | None]], buckets: int, first: int, last: int
) -> dict[tuple[int, str], list[tuple[int, float]]]:
    """By bucket and kind, every recorded point within the range: what the thinned ones are held against."""
    inside = [(at, loss) for at, loss in points if first <= at <= last]
    low, span = inside[0][0], inside[-1][0] - inside[0][0] + 1
    level = level_for(span, buckets)
    block = levels.block_size(level) if level >= 0 else 1
    groups: dict[tuple[int, str], list[tuple[int, float]]] = defaultdict(list)
    for at, loss in inside:
        if loss is not None:
            groups[(max(low, at // block * block) - low) * buckets // span, kind(loss)].append((at, loss))
    return groups


def check(
    db: Database,
    run_id: int,
    points: Sequence[tuple[int, float | None]],
    buckets: int,
    ends: slice,
    metric: str = LOSS,
) -> None:
    """Hold the thinned curve between two steps against all the points there."""
    thinned = metrics.series(db, run_id, metric, first=ends.start, last=ends.stop, buckets=buckets)
    inside = [(at, loss) for at, loss in points if ends.start <= at <= ends.stop]
    known = [(at, loss) for at, loss in inside if loss is not None]
    found = list(zip(thinned.steps, thinned.values, strict=True))
    assert thinned.steps == sorted(set(thinned.steps))
    recorded = dict(known)
    assert all(at in recorded and text(loss) == text(recorded[at]) for at, loss in found)
    if not known:
        assert found == []
        return
    assert [(at, text(loss)) for at, loss in (found[0], found[-1])] == [
        (at, text(loss)) for at, loss in (known[0], known[-1])
    ]
    whole = thinned_by_hand(points, buckets, ends.start, ends.stop)
    kept = set(found)
    for (_, what), group in whole.items():
        if what == "finite":
            assert min(group, key=lambda point: (point[1], point[0])) in kept
            assert min(group, key=lambda point: (-point[1], point[0])) in kept
        else:
            assert {group[0][0], group[-1][0]} <= set(thinned.steps)
    # Two of each kind in each bucket, and the first and last point of all: bounded whatever was recorded. (Where there
    # are not more steps than buckets, every point is kept.)
    if inside[-1][0] - inside[0][0] >= buckets:
        assert len(found) <= 2 * len(whole) + 2


# Few different values, so that there are ties; dense stretches and gaps, so that each level is met.
value = st.none() | st.sampled_from([math.nan, math.inf, -math.inf, 0.0, -1.0, 2.5]) | st.floats(-10, 10)
step_gap = st.integers(1, 9) | st.integers(1, 4000)
stretch = st.tuples(step_gap, st.integers(1, 40), st.lists(value, min_size=1, max_size=4))
window = st.tuples(st.floats(0, 1), st.floats(0, 1)) | st.just((0.0, 1.0))


def drawn_out(stretches: list[tuple[int, int, list[float | None]]], at: int) -> list[tuple[int, float | None]]:
    points: list[tuple[int, float | None]] = []
    for gap, count, values in stretches:
        at += gap
        for index in range(count):
            points.append((at, values[index % len(values)]))
            at += 1
    return points


@pytest.mark.parametrize("metric", [LOSS, PERCOLATED.name])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    stretches=st.lists(stretch, min_size=1, max_size=40),
    start=st.integers(0, 1000),
    batch=st.integers(1, 700),
    cuts=st.lists(st.floats(0, 1), max_size=3),
    windows=st.lists(st.tuples(window, st.integers(1, 40)), min_size=1, max_size=5),
)
@example([(1, 50, [0.5])], 0, 7, [], [((0.0, 1.0), 3)])
@example([(1, 50, [math.nan])], 7, 50, [], [((0.0, 1.0), 3)])
@example([(1, 1000, [1.0, 2.0, None])] * 20, 0, 700, [0.9, 0.5], [((0.0, 1.0), 1), ((0.01, 0.99), 2), ((0.5, 0.9), 40)])
def test_nothing_a_chart_would_show_is_lost(
    db: Database,
    metric: str,
    stretches: list[tuple[int, int, list[float | None]]],
    start: int,
    batch: int,
    cuts: list[float],
    windows: list[tuple[tuple[float, float], int]],
) -> None:
    """Whatever is recorded, in whatever batches, and cut back: thinned from the levels it is as from all points."""
    points = drawn_out(stretches, start)
    run = new_run(db)
    for index in range(0, len(points), batch):
        put(db, run.id, points[index : index + batch], metric)
    for cut in cuts:
        # Back to a step, and on from there with other values.
        after = points[int(cut * (len(points) - 1))][0]
        with db.write() as session:
            truncate(session, get_run(session, run.id), after)
        again = [(at, None if loss is None else loss + 0.25) for at, loss in points if at > after]
        points = [point for point in points if point[0] <= after] + again
        for index in range(0, len(again), batch):
            put(db, run.id, again[index : index + batch], metric)
    span = points[-1][0] - points[0][0]
    for limits, buckets in windows:
        first, last = (points[0][0] + int(share * span) for share in sorted(limits))
        check(db, run.id, points, buckets, slice(first, last), metric)


@pytest.mark.parametrize("metric", [LOSS, PERCOLATED.name])
def test_a_long_run_is_thinned_at_every_level(db: Database, metric: str) -> None:
    generator = random.Random(3)
    points: list[tuple[int, float | None]] = [(number, generator.gauss(0, 1)) for number in range(140_000)]
    points[70_000] = (70_000, math.nan)
    if metric != LOSS:  # recorded now and then, with a long gap
        points = [
            (at, value if (at % 700 < 3 and not 20_000 < at < 60_000) or at == 70_000 else None) for at, value in points
        ]
    run_id = record(db, points, metric)
    seen = set()
    for buckets in (3, 40, 4000, 140_000):
        seen.add(level_for(140_000, buckets))
        check(db, run_id, points, buckets, slice(0, 139_999), metric)
    check(db, run_id, points, 400, slice(1, 130_001), metric)
    assert seen == {-1, 0, 1, 2}


def test_all_points_without_buckets(db: Database) -> None:
    points = [(1, 0.5), (2, math.nan), (3, None), (4, math.inf), (7, -1.5)]
    run_id = record(db, points)
    read = metrics.series(db, run_id, "loss")
    assert read.steps == [1, 2, 4, 7]
    assert list(map(repr, read.values)) == ["0.5", "nan", "inf", "-1.5"]
    assert metrics.series(db, run_id + 1, "loss") == Series([], [])


def test_a_range_is_thinned_by_itself(db: Database) -> None:
    run_id = record(db, [(number, float(number % 10)) for number in range(1000)])
    part = metrics.series(db, run_id, "loss", first=100, last=199, buckets=10)
    assert (part.steps[0], part.steps[-1]) == (100, 199)
    assert set(part.values) == {0.0, 9.0}
    assert len(part.steps) == 20
    assert metrics.series(db, run_id, "loss", first=5, last=7).steps == [5, 6, 7]
    assert metrics.series(db, run_id, "loss", first=990).steps == list(range(990, 1000))
    assert metrics.series(db, run_id, "loss", last=-1, buckets=4) == Series([], [])


def test_a_single_peak_survives(db: Database) -> None:
    values = [1.0] * 5000
    values[3217], values[1234] = 50.0, -50.0
    run_id = record(db, list(enumerate(values)))
    thinned = metrics.series(db, run_id, "loss", buckets=20)
    assert (3217, 50.0) in zip(thinned.steps, thinned.values, strict=True)
    assert (1234, -50.0) in zip(thinned.steps, thinned.values, strict=True)
    assert len(thinned.steps) <= 44


def test_metrics_of_epochs_and_updates_are_curves_too(db: Database) -> None:
    run, attempt = started(db)
    with MetricWriter(db, run.id, attempt.id) as writer:
        for number in (1, 2):
            writer.step(step(number * 10, density=0.25))
            writer.epoch(EpochMetric(number, number * 10, val_loss=math.nan, val_accuracy=number / 10))
            writer.mask_update(MaskUpdate(number, number * 10, 0.5, 3, 3, 40 + number, 0.5, 0.5, churn=0.125), [])
    assert metrics.series(db, run.id, "val_accuracy") == Series([10, 20], [0.1, 0.2])
    assert list(map(math.isnan, metrics.series(db, run.id, "val_loss", buckets=1).values)) == [True, True]
    assert metrics.series(db, run.id, "churn") == Series([10, 20], [0.125, 0.125])
    assert metrics.series(db, run.id, "nonzeros", buckets=1) == Series([10, 20], [41.0, 42.0])
    assert metrics.series(db, run.id, "density") == Series([10, 20], [0.25, 0.25])
    for name in metrics.METRICS:
        for buckets in (None, 1, 3):
            metrics.series(db, run.id, name, buckets=buckets)


def test_several_runs_are_read_as_each_by_itself(db: Database) -> None:
    lengths = (0, 1, 300, 9000)
    ids = [record(db, [(number, math.cos(number)) for number in range(count)]) for count in lengths]
    together = metrics.several(db, [*ids, ids[1]], ["loss", "accuracy"], first=10, last=8000, buckets=20)
    assert list(together) == ids
    for run_id in ids:
        assert list(together[run_id]) == ["loss", "accuracy"]
        for metric, curve in together[run_id].items():
            assert curve == metrics.series(db, run_id, metric, first=10, last=8000, buckets=20)
    assert metrics.several(db, [], ["loss"]) == {}


def test_sparks_are_the_middles_of_equal_parts(db: Database) -> None:
    short = record(db, [(0, 1.0), (1, 3.0), (2, math.nan), (3, 5.0), (8, 7.0), (9, 8.0)])
    rising = record(db, [(number, float(number)) for number in range(10_000)])
    empty = record(db, [])
    found = metrics.sparks(db, [short, rising, empty], points=5)
    assert list(map(repr, found[short])) == ["2.0", "nan", "7.5"]  # nothing was recorded from step 4 to 7
    assert len(found[rising]) == 5
    assert all(abs(value - (1000 + 2000 * place)) < 300 for place, value in enumerate(found[rising]))
    assert found[empty] == []


def test_a_wrong_name_or_number_is_said(db: Database) -> None:
    with pytest.raises(StoreError, match=r"no metric 'los'. Did you mean 'loss'\? Allowed: "):
        metrics.series(db, 1, "los")
    with pytest.raises(StoreError, match="buckets is 0"):
        metrics.series(db, 1, "loss", buckets=0)


@pytest.mark.benchmark
def test_a_hundred_thousand_steps_are_thinned_in_a_tenth_of_a_second(db: Database) -> None:
    run_id = record(db, [(number, math.sin(number) if number % 1000 else math.nan) for number in range(100_000)])
    for buckets in (200, 2000):
        assert fastest(lambda buckets=buckets: metrics.series(db, run_id, "loss", buckets=buckets)) < 0.1  # type: ignore[misc]


def test_reading_what_grew_keeps_no_statement_in_memory(db: Database) -> None:
    run_id = record(db, [(at, 1.0) for at in range(1, 300)])
    missed: list[str] = []

    def heard(_conn: object, _cursor: object, statement: str, _values: object, context: Any, _many: bool) -> None:
        if context.cache_hit is CacheStats.CACHE_MISS:
            missed.append(statement)

    sa.event.listen(sa.Engine, "before_cursor_execute", heard)
    try:
        for start in range(300, 900, 100):
            put(db, run_id, [(at, 1.0) for at in range(start, start + 100)])
            missed.clear()
            assert metrics.series(db, run_id, "loss", buckets=20).steps
        assert missed == []
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", heard)
