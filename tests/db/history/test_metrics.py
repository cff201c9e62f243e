from __future__ import annotations

import dataclasses
import math
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db.history import metrics
from db.history.writer import MetricWriter
from db.records import EpochMetric, LayerMaskStat, MaskUpdate, StepMetric
from db.runs import runs
from db.session import Database
from tests.db.helpers import started, step

value = st.none() | st.floats(allow_nan=True, allow_infinity=True)


def same(left: object, right: object) -> bool:
    """Whether two records agree in every field; nan agrees with nan."""
    return all(
        a == b or (isinstance(a, float) and isinstance(b, float) and math.isnan(a) and math.isnan(b))
        for a, b in zip(dataclasses.astuple(left), dataclasses.astuple(right), strict=True)  # type: ignore[call-overload]
    )


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_metric_comes_back_as_it_was_recorded(db: Database, data: st.DataObject) -> None:
    def drawn(*names: str) -> dict[str, Any]:
        return {name: data.draw(value, name) for name in names}

    metric = StepMetric(
        step=1,
        epoch=0,
        at=5.0,
        **drawn("loss", "accuracy", "learning_rate", "death_rate", "density", "itop_rate", "samples_per_second"),
    )
    epoch = EpochMetric(
        epoch=1,
        step=1,
        at=6.0,
        **drawn("train_loss", "train_accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds"),
    )
    shares = ("overlap_previous", "overlap_first", "survival")
    update = MaskUpdate(
        update=0,
        step=1,
        pruned=2,
        grown=2,
        nonzeros=2**40,
        at=7.0,
        **drawn("death_rate", "density", "itop_rate", "churn", *shares),
    )
    layer = LayerMaskStat("conv1.weight", 3, (64, 3, 3, 3), 1728, 80, 2, 2, 90, dead_inputs=0, **drawn(*shares))

    run, attempt = started(db)
    with MetricWriter(db, run.id, attempt.id) as writer:
        writer.step(metric)
        writer.epoch(epoch)
        writer.mask_update(update, [layer])
    (read_step,) = metrics.steps(db, run.id)
    (read_epoch,) = metrics.epochs(db, run.id)
    (read_update,) = metrics.mask_updates(db, run.id)
    (read_layer,) = metrics.layer_stats(db, run.id)
    assert same(read_step, metric)
    assert same(read_epoch, epoch)
    assert same(read_update, update)
    assert same(read_layer, layer)
    assert read_layer.shape == (64, 3, 3, 3)
    latest = runs.get(db, run.id)
    assert latest.val_loss is epoch.val_loss or math.isnan(latest.val_loss or 0.0) or latest.val_loss == epoch.val_loss


def test_steps_in_pieces(db: Database) -> None:
    run, attempt = started(db)
    with MetricWriter(db, run.id, attempt.id) as writer:
        for number in range(0, 20, 2):
            writer.step(step(number))
    numbers = range(0, 20, 2)
    assert metrics.steps(db, run.id) == [step(number) for number in numbers]
    assert [each.step for each in metrics.steps(db, run.id, after=4)] == list(numbers)[3:]
    assert [each.step for each in metrics.steps(db, run.id, after=4, until=10)] == [6, 8, 10]
    assert [each.step for each in metrics.steps(db, run.id, after=4, limit=2)] == [6, 8]
    assert metrics.steps(db, run.id + 1) == []


def test_the_latest_steps_and_how_many_there_are(db: Database) -> None:
    run, attempt = started(db)
    assert metrics.steps(db, run.id, latest=3) == []
    with MetricWriter(db, run.id, attempt.id) as writer:
        for number in range(0, 20, 2):
            writer.step(step(number))
    assert [one.step for one in metrics.steps(db, run.id, latest=3)] == [14, 16, 18]
    assert [one.step for one in metrics.steps(db, run.id, after=14, latest=3)] == [16, 18]
    assert [one.step for one in metrics.steps(db, run.id, until=10, latest=2)] == [8, 10]
    assert [metrics.count_steps(db, run.id, after=after) for after in (-1, 0, 17, 18)] == [10, 9, 1, 0]


def test_layers_by_update_and_over_time(db: Database) -> None:
    def layers(number: int) -> list[LayerMaskStat]:
        return [LayerMaskStat(f"layer{at}", at, (2, 3), 6, number + at, 1, 1, 5) for at in range(3)]

    run, attempt = started(db)
    assert metrics.layer_stats(db, run.id) == []
    with MetricWriter(db, run.id, attempt.id) as writer:
        for number in range(4):
            writer.mask_update(MaskUpdate(number, number * 100, 0.5, 1, 1, 10, 0.1, 0.2), layers(number))
    assert [update.update for update in metrics.mask_updates(db, run.id)] == [0, 1, 2, 3]
    assert metrics.layer_stats(db, run.id) == layers(3)
    assert metrics.layer_stats(db, run.id, 0) == layers(0)
    assert metrics.layer_stats(db, run.id, 9) == []
    assert metrics.layer_history(db, run.id, "layer2") == [(number * 100, layers(number)[2]) for number in range(4)]
    assert metrics.layer_history(db, run.id, "layer") == []
