from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from db import models, records
from db.records import CheckpointRecord, RunStatus, StepMetric


def test_every_state_is_waiting_active_or_ended() -> None:
    active = {"starting", "running", "paused", "stopping"}
    ended = {"completed", "stopped", "failed", "killed", "preempted", "lost"}
    assert {status.value for status in RunStatus} == {"queued"} | active | ended
    assert {status.value for status in RunStatus if status.is_active} == active
    assert {status.value for status in RunStatus if status.is_terminal} == ended


def test_records_cannot_be_changed() -> None:
    metric = StepMetric(step=1, epoch=0, loss=0.5)
    with pytest.raises(FrozenInstanceError):
        metric.loss = 0.1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("record", "table"),
    [
        (records.RunRecord, models.RunRow),
        (records.AttemptRecord, models.AttemptRow),
        (records.CheckpointRecord, models.CheckpointRow),
        (records.CommandRecord, models.CommandRow),
        (records.StepMetric, models.StepMetricRow),
        (records.EpochMetric, models.EpochMetricRow),
        (records.MaskUpdate, models.MaskUpdateRow),
        (records.LayerMaskStat, models.LayerMaskStatRow),
    ],
)
def test_a_record_is_its_table_without_the_stores_own_columns(record: type, table: type[models.Base]) -> None:
    fields = set(record.__dataclass_fields__)  # type: ignore[attr-defined]
    columns = set(table.__mapper__.columns.keys())
    # What a step recorded of metrics without a column is rows of `step_values`.
    # Whether a checkpoint's file is outside of its run's folder is seen from its path.
    elsewhere = {StepMetric: {"metrics"}, CheckpointRecord: {"outside"}}.get(record, set())
    assert fields - columns - {"damaged"} == elsewhere  # what could not be read is known only on reading
    assert columns - fields <= {"nonfinite", "submission", "run_id", "update"}
