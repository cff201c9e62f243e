"""Which weights count as the best of a run: only those of the density that the run is about."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from engine.training import state
from engine.training.callbacks import Callback
from engine.training.training import Training

from .helpers import Rows, StopAt, config, trainer

GMP = {"sparse": True, "sparse_init": "GMP", "density": 0.01, "update_frequency": 2, "epochs": 4}
"""28 steps; the last update, and with it the final density, is at step 26."""


def active(one: Training, weights: Mapping[str, Tensor]) -> int:
    assert one.masking is not None
    return sum(int(weights[name].count_nonzero()) for name in one.masking.masks)


def target(one: Training) -> int:
    assert one.masking is not None
    return round(0.01 * one.masking.maskable)


def test_pruning_gradually_takes_no_denser_state_for_the_best() -> None:
    rows = Rows()
    one = trainer(config(**GMP), [rows])
    one.fit()
    best_epochs = [row[0] for row in rows.epochs if row[-1]]
    assert best_epochs == [rows.epochs[-1][0]]
    assert one.best is not None
    assert one.best.accuracy == rows.epochs[-1][5] < max(row[5] for row in rows.epochs)
    assert active(one, one.best_weights()) <= target(one)
    assert rows.outcome is not None
    assert rows.outcome.test is not None
    assert rows.outcome.test.best == rows.outcome.test.last


def test_without_an_epoch_at_the_final_density_the_last_weights_are_the_best() -> None:
    rows = Rows()
    one = trainer(config(**GMP), [rows, StopAt(21)])
    one.fit()
    assert one.best is None
    assert not any(row[-1] for row in rows.epochs)
    assert all(torch.equal(mine, theirs.cpu()) for mine, theirs in zip(
        one.best_weights().values(), one.model.state_dict().values(), strict=True
    ))  # fmt: skip


@pytest.mark.parametrize("method", [{"growth": "random"}, {"growth": "gradient"}, {"fix": True}])
def test_of_a_constant_density_every_epoch_may_be_the_best(method: dict[str, object]) -> None:
    rows = Rows()
    trainer(config(sparse=True, **method), [rows]).fit()
    assert rows.epochs[0][-1]


def test_a_best_state_that_an_older_version_took_too_early_is_dropped() -> None:
    one = trainer(config(**GMP), [StopAt(14)])
    one.fit()
    captured = state.capture(one)
    captured["best"] = {"accuracy": 0.99, "step": 7, "epoch": 0, "weights": one.model.state_dict()}
    again = trainer(config(**GMP))
    state.restore(again, captured)
    assert again.best is None


class SavedBest(Callback):
    """Keeps what `--save` would write."""

    def __init__(self) -> None:
        self.weights: dict[str, Tensor] = {}

    def on_end(self, trainer: Training, outcome: object) -> None:
        self.weights = trainer.best_weights()


def test_what_is_saved_has_the_final_density() -> None:
    saved = SavedBest()
    one = trainer(config(**GMP), [saved])
    one.fit()
    assert 0 < active(one, saved.weights) <= target(one)
