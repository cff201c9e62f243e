"""Settings that a checkpoint does not allow are refused in one line, before anything trains."""

from __future__ import annotations

from typing import Any

import pytest

from engine.config.continuation import as_meant, differences, recomputed, refusal, resumable
from engine.config.field_info import RESUMABLE
from engine.config.run_config import RunConfig
from tests.engine.training.helpers import config


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"density": 0.2}, "density = 0.2: cannot be changed"),
        ({"sparse_init": "uniform"}, "sparse_init = 'uniform': cannot be changed"),
        ({"sparse_init": "GMP"}, "sparse_init = 'GMP': cannot be changed"),
        ({"dense_first_layer": True, "density": 0.1}, "dense_first_layer = True: cannot be changed"),
        ({"model": "mlp-cifar10", "data": "cifar10"}, "model = 'mlp-cifar10': cannot be changed"),
    ],
)
def test_masks_keep_what_they_were_made_with(changes: dict[str, Any], field: str) -> None:
    before = config(sparse=True).as_dict()
    said = refusal(config(sparse=True, **changes).as_dict(), before)
    assert said is not None
    assert said.startswith(field)
    assert "\n" not in said
    name = next(iter(changes))
    assert repr(before[name]) in said


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"sparse": True}, {"sparse": True, "growth": "gradient", "fix": True, "lr": 0.5, "epochs": 9}),
        ({"sparse": True}, {"sparse": False, "density": 0.3}),
        ({"sparse": False, "density": 0.3}, {"sparse": True, "density": 0.05, "sparse_init": "uniform"}),
    ],
)
def test_everything_else_may_change(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert refusal(config(**after).as_dict(), config(**before).as_dict()) is None
    assert refusal(config(**after).as_dict(), {"sparse": True}) is None  # settings of an older version name fewer


def test_a_resumed_run_may_change_its_length_and_what_is_kept() -> None:
    assert set(RESUMABLE) <= RunConfig.model_fields.keys()
    assert resumable(RESUMABLE) is None
    said = resumable(["lr", "epochs", "seed"])
    assert said is not None
    assert said.startswith("lr, seed: cannot be changed where a run is resumed")
    assert "\n" not in said


def test_schedules_of_another_length() -> None:
    """Seven steps an epoch: of 4 epochs the drops are at 14 and 21, of 8 at 28 and 42."""
    short, long = config(epochs=4, sparse=True), config(epochs=8, sparse=True)
    assert recomputed(long, short) == [
        "the learning rate drops after step 28 and step 42 (it was step 14 and step 21)",
        "the death rate falls until step 56, by its cosine (it was step 28)",
    ]
    assert recomputed(long, long.with_changes(keep_last=5, max_steps=3)) == []
    dense = [one.with_changes(sparse=False) for one in (long, short)]
    assert len(recomputed(*dense)) == 1
    constant = [one.with_changes(decay_schedule="constant", lr_drop_every=10) for one in (long, short)]
    assert recomputed(*constant) == []
    gmp = [one.with_changes(sparse_init="GMP") for one in (long, short)]
    assert recomputed(*gmp)[1] == "the density is reached by step 56 (it was step 28)"
    own = [one.with_changes(data="my.data:load") for one in (long, short)]
    assert recomputed(*own)[0] == "the learning rate drops after epoch 4 and epoch 6 (it was epoch 2 and epoch 3)"


def test_a_checkpoint_of_before_means_a_step_decay_by_decay_frequency() -> None:
    then = {"lr": 0.1, "decay_frequency": 30}
    assert as_meant(then) == {"lr": 0.1, "decay_frequency": None, "lr_drop_every": 30}
    now = {"lr": 0.1, "decay_frequency": 30, "lr_drop_every": None}
    assert as_meant(now) == now
    assert as_meant({"lr": 0.1}) == {"lr": 0.1}
    moved = RunConfig.create(lr_drop_every=30)
    recorded = {name: value for name, value in moved.as_dict().items() if name != "lr_drop_every"}
    assert differences(moved, {**recorded, "decay_frequency": 30}) == []
