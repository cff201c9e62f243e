from __future__ import annotations

import math

import pytest

from db.errors import StoreError
from db.history.series import averages
from db.history.writer import MetricWriter
from db.records import EpochMetric, StepMetric
from db.session import Database
from tests.db.helpers import started


@pytest.fixture
def run_id(db: Database) -> int:
    run, attempt = started(db)
    with MetricWriter(db, run.id, attempt.id) as writer:
        for step in range(1, 101):
            loss = math.nan if step == 55 else float(step)
            writer.step(StepMetric(step=step, epoch=1, loss=loss, accuracy=None if step <= 50 else 0.5))
        writer.epoch(EpochMetric(1, 50, val_accuracy=0.75))
    return run.id


def test_each_range_gives_its_average_at_its_middle(db: Database, run_id: int) -> None:
    found = averages(db, run_id, "loss", first=1, last=40, buckets=4)
    assert found.steps == [5, 15, 25, 35]
    assert found.values == [5.5, 15.5, 25.5, 35.5]


def test_a_range_with_a_value_that_is_not_finite_is_nan(db: Database, run_id: int) -> None:
    found = averages(db, run_id, "loss", first=41, last=70, buckets=3)
    assert found.values[0] == 45.5
    assert math.isnan(found.values[1])
    assert found.values[2] == 65.5


def test_a_range_in_which_nothing_was_recorded_has_no_point(db: Database, run_id: int) -> None:
    assert averages(db, run_id, "accuracy", first=1, last=100, buckets=2).steps == [75]
    assert averages(db, run_id, "loss", first=1, last=200, buckets=4).steps == [25, 75]


def test_fewer_steps_than_ranges_are_given_as_they_are(db: Database, run_id: int) -> None:
    found = averages(db, run_id, "loss", first=3, last=5, buckets=100)
    assert (found.steps, found.values) == ([3, 4, 5], [3.0, 4.0, 5.0])


def test_a_wrong_name_or_number_is_told(db: Database, run_id: int) -> None:
    with pytest.raises(StoreError, match="loss"):
        averages(db, run_id, "los", first=1, last=100, buckets=2)
    with pytest.raises(StoreError, match="at least 1"):
        averages(db, run_id, "loss", first=1, last=100, buckets=0)
