"""Alarms come when they are due, once; and not for what healthy runs do."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest

from db.records import Alarm, LayerMaskStat
from engine.alarms.alarm_watch import AlarmWatch
from engine.alarms.thresholds import Thresholds

FC1 = LayerMaskStat("fc1", 0, (100, 100), 10_000, 1_000, 0, 0, 1_000, dead_outputs=0)
FC2 = LayerMaskStat("fc2", 1, (10, 100), 1_000, 100, 0, 0, 100, dead_outputs=0)


def kinds(alarms: Iterable[Alarm]) -> list[tuple[str, str]]:
    return [(alarm.kind, alarm.layer) for alarm in alarms]


def after(watch: AlarmWatch, *masks: Sequence[LayerMaskStat]) -> list[Alarm]:
    """What a watch says of masks, the first of which is the run's first."""
    return [alarm for step, layers in enumerate(masks) for alarm in watch.after_update(10 * step, layers)]


def with_losses(losses: Iterable[float], limits: Thresholds | None = None) -> list[Alarm]:
    watch = AlarmWatch(limits or Thresholds())
    return [alarm for step, loss in enumerate(losses, 1) for alarm in watch.after_step(step, loss)]


def test_a_layer_that_loses_its_weights_to_others() -> None:
    poor, rich = replace(FC2, nonzeros=4), replace(FC1, nonzeros=1_096)
    found = after(AlarmWatch(Thresholds()), [FC1, FC2], [rich, poor], [rich, poor])
    assert kinds(found) == [("collapse", "fc2")]
    assert (found[0].step, found[0].message) == (10, "4 of 1,000 weights are active; it began with 100")
    assert after(AlarmWatch(Thresholds()), [FC1, FC2], [FC1, replace(FC2, nonzeros=6)]) == []


def test_pruning_of_the_whole_network_is_no_collapse() -> None:
    """Gradual magnitude pruning begins dense and leaves a hundredth; each layer keeps its part of that."""
    dense = [replace(FC1, nonzeros=10_000), replace(FC2, nonzeros=1_000)]
    assert after(AlarmWatch(Thresholds()), dense, [replace(FC1, nonzeros=100), replace(FC2, nonzeros=10)]) == []


def test_a_layer_that_is_meant_to_have_no_weight() -> None:
    none = [FC1, replace(FC2, nonzeros=0)]
    assert after(AlarmWatch(Thresholds()), none, none) == []
    assert kinds(after(AlarmWatch(Thresholds(collapse=0.0)), [FC1, FC2], none)) == [("collapse", "fc2")]


def test_dead_outputs_above_a_share() -> None:
    many = replace(FC1, dead_outputs=96)
    assert after(AlarmWatch(Thresholds()), [replace(FC1, dead_outputs=95)]) == []
    found = after(AlarmWatch(Thresholds()), [FC1], [many])
    assert kinds(found) == [("dead_outputs", "fc1")]
    assert found[0].message == "96 of 100 outputs have no active weight"
    assert kinds(after(AlarmWatch(Thresholds(dead_outputs=0.5)), [replace(FC1, dead_outputs=51)])) == [
        ("dead_outputs", "fc1")
    ]


def exploring(explored: Sequence[int], grown: int) -> list[list[LayerMaskStat]]:
    return [[replace(FC1, explored=count, grown=grown if number else 0)] for number, count in enumerate(explored)]


def test_exploration_that_stalls_while_masks_move() -> None:
    watch = AlarmWatch(Thresholds(stalled_updates=5))
    found = after(watch, *exploring([1_000, 1_500, *[2_000] * 7], grown=300))
    assert kinds(found) == [("stalled", "")]
    assert found[0].step == 70  # the fifth update after the one that was the last to explore
    assert found[0].message == "R_s stays at 0.200 for 5 mask updates, though weights move"


@pytest.mark.parametrize(
    ("explored", "grown"),
    [
        ([1_000] * 12, 0),  # a static mask
        ([1_000, *[2_000] * 11], 10),  # the death rate is nearly 0: hardly a weight moves
        ([1_000, *[9_950] * 11], 300),  # all was explored
        ([1_000 + 10 * number for number in range(12)], 300),  # slow, but it goes on
    ],
)
def test_exploration_that_is_no_longer_due_or_goes_on(explored: list[int], grown: int) -> None:
    assert after(AlarmWatch(Thresholds(stalled_updates=5)), *exploring(explored, grown)) == []


@pytest.mark.parametrize(("loss", "became"), [(math.nan, "NaN"), (math.inf, "infinite")])
def test_a_loss_that_is_no_number(loss: float, became: str) -> None:
    found = with_losses([2.3, 2.2, loss, loss, 2.0])
    assert [(alarm.kind, alarm.step, alarm.message) for alarm in found] == [
        ("nonfinite", 3, f"the loss became {became}")
    ]


LEARNT = [2.3 * math.exp(-step / 50) + 0.2 for step in range(300)]


def test_a_loss_that_stays_far_above_its_best() -> None:
    found = with_losses([*LEARNT, *[2.4] * 400])
    assert kinds(found) == [("diverged", "")]
    assert 300 + 200 <= found[0].step < 300 + 300  # for 200 steps, once the smoothed loss has come there
    assert "the loss is 2.4 and was 0.2" in found[0].message


@pytest.mark.parametrize(
    "losses",
    [
        [*LEARNT, *[2.4] * 100, *LEARNT[::-1][:200]],  # a spike that passes
        [*LEARNT, *[1.0] * 400],  # worse than its best, and far from where it began: a drop in density, say
        [2.3] * 600,  # it never learns
        [*[2.3 * math.exp(-step / 20) for step in range(200)], *[0.05] * 400],  # nearly 0, then noise
    ],
)
def test_a_loss_that_does_not_diverge(losses: list[float]) -> None:
    assert with_losses(losses) == []


def test_only_what_is_wanted_and_was_not_raised_before() -> None:
    masks = [FC1, FC2], [replace(FC1, nonzeros=0), replace(FC2, nonzeros=0)]
    assert after(AlarmWatch(Thresholds(on=("diverged",))), *masks) == []
    assert kinds(after(AlarmWatch(Thresholds(), raised={("collapse", "fc2")}), *masks)) == [("collapse", "fc1")]


def test_a_resumed_run_is_measured_by_its_first_mask() -> None:
    watch = AlarmWatch(Thresholds(), first=[FC1, FC2])
    assert kinds(watch.after_update(900, [FC1, replace(FC2, nonzeros=3)])) == [("collapse", "fc2")]
