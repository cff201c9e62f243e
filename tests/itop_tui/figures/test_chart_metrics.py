"""The registry of recorded figures."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from db.history import metrics
from db.records import EpochMetric, LayerMaskStat, MaskUpdate, StepMetric
from itop_tui.figures.chart_metrics import COMPARED, FIGURES, LAYER_FIGURES, all_figures, find


def test_every_figure_the_store_can_thin_out_can_be_charted_and_compared() -> None:
    assert {figure.name for figure in FIGURES} == set(metrics.METRICS)
    assert sorted(figure.name for figure in COMPARED) == sorted(metrics.METRICS)
    assert COMPARED[0].name == "loss"


def test_figures_are_recorded_as_often_as_they_say() -> None:
    records: dict[str, type[Any]] = {"step": StepMetric, "epoch": EpochMetric, "update": MaskUpdate}
    for figure in FIGURES:
        assert figure.name in {field.name for field in fields(records[figure.source])}, figure.name
    worked_out = {"density", "itop_rate", "churn"}
    assert {figure.name for figure in LAYER_FIGURES} - worked_out <= {field.name for field in fields(LayerMaskStat)}


def test_a_figure_is_found_by_its_name_and_one_of_a_layer_by_both() -> None:
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


def test_what_can_be_charted_of_a_run_are_its_figures_and_those_of_each_layer() -> None:
    names = [figure.name for figure in all_figures(["fc1", "fc2"])]
    assert len(names) == len(set(names)) == len(FIGURES) + 2 * len(LAYER_FIGURES)
