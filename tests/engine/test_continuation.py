"""What cannot go on from a checkpoint is refused in one line, before anything trains."""

from __future__ import annotations

from typing import Any

import pytest

from engine.continuation import refusal
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
