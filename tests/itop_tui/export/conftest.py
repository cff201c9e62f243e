"""A database with runs that recorded something."""

from __future__ import annotations

from dataclasses import replace

import pytest

from db.records import RunRecord, StepMetric
from db.session import Database
from tests.itop_tui.run.fabricate import record_run, settings

HOSTILE = '<script>alert(1)</script> "quoted" & \x1b[31mred\u202e =SUM(A1) ' + "../../etc " * 20


def diverged(metric: StepMetric) -> StepMetric:
    """The metrics of a run whose loss is not finite at step 250 and which has no accuracy before step 10."""
    loss = float("nan") if metric.step == 250 else float("inf") if metric.step == 251 else metric.loss
    return replace(metric, loss=loss, accuracy=None if metric.step < 10 else metric.accuracy)


@pytest.fixture
def db(database: Database) -> Database:
    return database


@pytest.fixture
def run(db: Database) -> RunRecord:
    """A sparse run of 300 steps with a metric that is not finite and one that is missing."""
    return record_run(db, name=HOSTILE, steps=300, alter=diverged, config=settings(lr=0.3))


@pytest.fixture
def seeds(db: Database) -> list[RunRecord]:
    """Two seeds of one recipe, and a dense run."""
    made = [record_run(db, name=f"rigl-s{n}", steps=120 + 40 * n, config=settings(seed=n)) for n in (1, 2)]
    return [*made, record_run(db, name="dense", steps=150, config=settings(sparse=False))]
