"""What can be charted."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from db.history.declared import LAYER_METRICS, MACHINE_METRICS, METRICS
from db.records import EpochMetric, LayerMaskStat, MaskUpdate, StepMetric
from itop_tui.figures.chart_metrics import all_metrics, comparison_metrics, find


def test_every_metric_is_compared_the_loss_first() -> None:
    compared = [metric.name for metric in comparison_metrics()]
    assert sorted(compared) == sorted(METRICS)
    assert compared[0] == "loss"


def test_metrics_are_recorded_as_often_as_they_say() -> None:
    records: dict[str, type[Any]] = {"step": StepMetric, "epoch": EpochMetric, "update": MaskUpdate}
    for metric in METRICS.values():
        if metric.name in {*MACHINE_METRICS, "gradients_sent"}:  # which have no column of their own
            assert metric.source == "step", metric.name
            continue
        assert metric.name in {field.name for field in fields(records[metric.source])}, metric.name
    worked_out = {"density", "itop_rate", "churn"}
    assert {metric.name for metric in LAYER_METRICS} - worked_out <= {field.name for field in fields(LayerMaskStat)}


def test_a_metric_is_found_by_its_name_and_one_of_a_layer_by_both() -> None:
    loss, churn = find("loss"), find("churn")
    assert loss is not None
    assert churn is not None
    assert (loss.title, loss.short_title) == ("loss", "loss")
    assert (churn.title, churn.short_title) == ("churn: active weights exchanged", "churn")
    of_layer = find("churn@fc1")
    assert of_layer is not None
    assert (of_layer.title, of_layer.source, of_layer.percent) == ("churn, fc1", "layer", True)
    assert find("density@") is None
    assert find("nothing@fc1") is None
    assert find("nothing") is None


def test_what_can_be_charted_of_a_run_are_its_metrics_and_those_of_each_layer() -> None:
    names = [metric.name for metric in all_metrics(["fc1", "fc2"])]
    assert len(names) == len(set(names)) == len(METRICS) + 2 * len(LAYER_METRICS)
