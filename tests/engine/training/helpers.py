"""Small real trainings for the tests of this folder."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from engine.config.run_config import RunConfig
from engine.training import setup
from engine.training.callbacks import Callback
from engine.training.outcome import Outcome
from engine.training.results import EpochResult, StepResult
from engine.training.trainer import Trainer
from engine.training.training import Training

CPU = torch.device("cpu")

SMALL: dict[str, Any] = {
    "data": "digits",
    "model": "lenet300-100",
    "batch_size": 200,
    "epochs": 3,
    "lr": 0.05,
    "density": 0.1,
    "update_frequency": 4,
    "seed": 5,
}
"""A run of seven steps an epoch that takes a tenth of a second."""


def config(**settings: Any) -> RunConfig:
    return RunConfig.create({**SMALL, **settings})


def trainer(settings: RunConfig, callbacks: Sequence[Callback] = ()) -> Trainer:
    """A fresh trainer, made as the worker makes it."""
    setup.prepare_process(settings, CPU)
    data = setup.load_data(settings, CPU)
    model = setup.make_model(settings, data.info)
    return Trainer(settings, model, data, CPU, callbacks)


class Rows(Callback):
    """Keeps what would be recorded, without the times."""

    def __init__(self) -> None:
        self.steps: list[tuple[Any, ...]] = []
        self.epochs: list[tuple[Any, ...]] = []
        self.updates: list[Any] = []
        self.outcome: Outcome | None = None

    def on_step(self, trainer: Training, figures: StepResult) -> None:
        head = figures.header
        self.steps.append(
            (
                head.step,
                head.epoch,
                head.samples,
                figures.loss,
                figures.accuracy,
                head.learning_rate,
                head.death_rate,
                head.density,
                head.itop_rate,
            )
        )

    def on_mask_update(self, trainer: Training, update: Any) -> None:
        self.updates.append(update)

    def on_epoch_end(self, trainer: Training, figures: EpochResult, best: bool) -> None:
        self.epochs.append(
            (
                figures.epoch,
                figures.step,
                figures.train_loss,
                figures.train_accuracy,
                figures.val_loss,
                figures.val_accuracy,
                figures.learning_rate,
                best,
            )
        )

    def on_end(self, trainer: Training, outcome: Outcome) -> None:
        self.outcome = outcome


class StopAt(Callback):
    """Stops before the step after a given one."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, trainer: Training) -> None:
        if trainer.step == self.step:
            trainer.stop("as the test wishes")


def same(mine: object, theirs: object) -> bool:
    """Whether two states are equal to the bit."""
    if isinstance(mine, Tensor) or isinstance(theirs, Tensor):
        return (
            isinstance(mine, Tensor)
            and isinstance(theirs, Tensor)
            and mine.dtype == theirs.dtype
            and torch.equal(mine, theirs)
        )
    if isinstance(mine, dict) and isinstance(theirs, dict):
        return mine.keys() == theirs.keys() and all(same(mine[key], theirs[key]) for key in mine)
    if isinstance(mine, (list, tuple)) and isinstance(theirs, (list, tuple)):
        return len(mine) == len(theirs) and all(map(same, mine, theirs))
    return mine == theirs


def without_times(state: dict[str, Any]) -> dict[str, Any]:
    """A state less the one thing in it that a clock decides."""
    state = copy.deepcopy(state)
    del state["sums"]["seconds"]
    return state
