from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from db import metrics
from db.errors import StoreError
from db.models import STEP_FIGURES, StepMetricRow
from db.records import EpochMetric, MaskUpdate, Series
from db.session import Database
from db.writer import MetricWriter
from tests.db.helpers import fastest, new_run, started, step


def record(db: Database, points: Sequence[tuple[int, float | None]]) -> int:
    run = new_run(db)
    rows = [{"run_id": run.id, "step": number, "epoch": 0, "loss": loss, "at": 0.0} for number, loss in points]
    if rows:
        with db.write() as session:
            session.execute(sa.insert(StepMetricRow), [STEP_FIGURES.encode(row) for row in rows])
    return run.id


def text(value: float) -> str:
    """Tells nan from nan, which == does not; SQLite does not keep the sign of zero."""
    return repr(value + 0.0)


def kind(value: float) -> str:
    return "finite" if math.isfinite(value) else str(value)


# Few different values, so that there are ties, and gaps between the steps.
value = st.none() | st.sampled_from([math.nan, math.inf, -math.inf, 0.0, -1.0, 2.5]) | st.floats(-10, 10)
curve = st.lists(st.tuples(st.integers(1, 9), value), max_size=60)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(gaps=curve, buckets=st.integers(1, 40), start=st.integers(0, 1000))
@example(gaps=[(1, 0.5)] * 50, buckets=3, start=0)
@example(gaps=[(1, math.nan)] * 50, buckets=3, start=7)
def test_nothing_a_chart_would_show_is_lost(
    db: Database, gaps: list[tuple[int, float | None]], buckets: int, start: int
) -> None:
    points: list[tuple[int, float | None]] = []
    at = start
    for gap, loss in gaps:
        at += gap
        points.append((at, loss))
    known = [(at, loss) for at, loss in points if loss is not None]
    run_id = record(db, points)
    thinned = metrics.series(db, run_id, "loss", buckets=buckets)
    found = list(zip(thinned.steps, map(text, thinned.values), strict=True))

    assert thinned.steps == sorted(set(thinned.steps))
    assert set(found) <= {(at, text(loss)) for at, loss in known}
    if not known:
        assert found == []
        return
    assert found[0] == (known[0][0], text(known[0][1]))
    assert found[-1] == (known[-1][0], text(known[-1][1]))

    low, span = known[0][0], known[-1][0] - known[0][0] + 1
    whole: dict[tuple[int, str], list[float]] = defaultdict(list)
    kept: dict[tuple[int, str], list[float]] = defaultdict(list)
    for at, loss in known:
        whole[(at - low) * buckets // span, kind(loss)].append(loss)
    for at, loss in zip(thinned.steps, thinned.values, strict=True):
        kept[(at - low) * buckets // span, kind(loss)].append(loss)
    assert kept.keys() == whole.keys()
    for key, values in whole.items():
        if key[1] == "finite":
            assert min(kept[key]) == min(values)
            assert max(kept[key]) == max(values)
        # Two of each kind, and the first and last point of all: bounded whatever was recorded.
        assert len(kept[key]) <= 4


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


def test_figures_of_epochs_and_updates_are_curves_too(db: Database) -> None:
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


def test_a_wrong_name_or_number_is_said(db: Database) -> None:
    with pytest.raises(StoreError, match=r"no figure 'los'. Did you mean 'loss'\? Allowed: "):
        metrics.series(db, 1, "los")
    with pytest.raises(StoreError, match="buckets is 0"):
        metrics.series(db, 1, "loss", buckets=0)


@pytest.mark.benchmark
def test_a_hundred_thousand_steps_are_thinned_in_a_tenth_of_a_second(db: Database) -> None:
    run_id = record(db, [(number, math.sin(number) if number % 1000 else math.nan) for number in range(100_000)])
    for buckets in (200, 2000):
        assert fastest(lambda buckets=buckets: metrics.series(db, run_id, "loss", buckets=buckets)) < 0.1  # type: ignore[misc]
