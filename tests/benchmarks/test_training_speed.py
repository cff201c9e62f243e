"""What recording every step costs: the whole trainer against a bare loop.

Run with ``pytest tests/benchmarks/test_training_speed.py -m benchmark --benchmark-enable -s``.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch import nn

from db.history import metrics
from db.history.writer import MetricWriter
from db.runs import runs
from db.session import Database
from engine.config.catalogue import DATASETS
from engine.config.experiments import as_stored
from engine.config.run_config import RunConfig
from engine.data import DataBundle, DataError, TensorSplit
from engine.launch.processes import host_name
from engine.training import setup
from engine.training.callbacks import Callback
from engine.training.control import Control
from engine.training.recorder import Recorder
from engine.training.trainer import Trainer
from engine.training.training import Training

CPU = torch.device("cpu")
BATCH, STEPS, ROUNDS = 100, 540, 7

CONFIG = {
    "model": "lenet300-100",
    "data": "fashion-mnist",
    "device": "cpu",
    "batch_size": BATCH,
    "epochs": 100,
    "max_steps": STEPS,  # one epoch
    "sparse": True,
    "density": 0.05,
    "growth": "gradient",
    "update_frequency": 100,
}


@dataclass(frozen=True)
class Cost:
    """Seconds: on the wall, and of processor time over all threads, which other work on the machine does not move."""

    wall: float = 0.0
    processor: float = 0.0

    @classmethod
    def now(cls) -> Cost:
        return cls(time.perf_counter(), time.process_time())

    def __sub__(self, other: Cost) -> Cost:
        return Cost(self.wall - other.wall, self.processor - other.processor)


class Clock(Callback):
    """Times the steps of a training alone: from before the first until the last one's row is committed."""

    def __init__(self, writer: MetricWriter) -> None:
        self.writer = writer
        self.cost = Cost()

    def on_start(self, trainer: Training) -> None:
        self.cost = Cost.now()

    def on_step_end(self, trainer: Training) -> None:
        if trainer.step == STEPS:
            trainer.flush()
            self.writer.flush()
            self.cost = Cost.now() - self.cost


def load(config: RunConfig) -> DataBundle:
    """Fashion-MNIST where it is, else noise of its shape and size."""
    try:
        return setup.load_data(config, CPU)
    except DataError:
        digits = setup.load_data(config.with_changes(data="digits"), CPU)
        images = torch.randint(0, 256, (54_000, 1, 28, 28), dtype=torch.uint8)
        assert isinstance(digits.train, TensorSplit)
        split = replace(digits.train, inputs=images, targets=torch.randint(0, 10, (54_000,)))
        test = replace(split, inputs=images[:1000], targets=split.targets[:1000])
        return replace(digits, info=DATASETS["fashion-mnist"], train=split, valid=None, test=test)


def bare(config: RunConfig, data: DataBundle) -> Cost:
    """An epoch of plain PyTorch: dense, normalised tensors in memory, nothing recorded."""
    assert isinstance(data.train, TensorSplit)
    assert data.train.normalise is not None
    inputs, targets = data.train.normalise(data.train.inputs), data.train.targets
    torch.manual_seed(0)
    model = setup.make_model(config, data.info)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True)
    criterion = nn.CrossEntropyLoss()
    model.train()
    begin = Cost.now()
    order = torch.randperm(len(targets))
    for step in range(STEPS):
        batch = order[step * BATCH : (step + 1) * BATCH]
        optimizer.zero_grad()
        criterion(model(inputs[batch]), targets[batch]).backward()
        optimizer.step()
    return Cost.now() - begin


def recorded(config: RunConfig, data: DataBundle, db: Database) -> Cost:
    """An epoch of the trainer, every step and mask update going into a database."""
    run = runs.create(db, **as_stored(config))
    attempt = runs.reserve(db, run.id, host=host_name(), device="cpu", slots=99)
    assert attempt is not None
    with MetricWriter(db, run.id, attempt.id) as writer:
        clock = Clock(writer)
        model = setup.make_model(config, data.info)
        trainer = Trainer(config, model, data, CPU, [Recorder(writer), Control(), clock])
        assert trainer.steps_per_epoch == STEPS
        trainer.fit()
    assert len(metrics.steps(db, run.id)) == STEPS
    assert len(metrics.mask_updates(db, run.id)) == 1 + STEPS // 100
    return clock.cost


@pytest.mark.benchmark
def test_rigl_with_every_step_recorded_against_a_bare_dense_loop(tmp_path: Path) -> None:
    config = RunConfig.create(CONFIG)
    data = load(config)
    db = Database.open(f"sqlite:///{tmp_path / 'itop.db'}")
    try:
        bare(config, data)
        recorded(config, data, db)
        pairs = [(bare(config, data), recorded(config, data, db)) for _ in range(ROUNDS)]
    finally:
        db.close()
    ratios = sorted(theirs.wall / ours.wall for theirs, ours in pairs)
    processor = statistics.median(theirs.processor / ours.processor for theirs, ours in pairs)
    samples = STEPS * BATCH
    print(
        f"\nbare dense loop {samples / statistics.median(pair[0].wall for pair in pairs):,.0f} samples/s, RigL with "
        f"every step recorded {samples / statistics.median(pair[1].wall for pair in pairs):,.0f}: ratio "
        f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f} in {ROUNDS} rounds), "
        f"in processor time {processor:.2f}"
    )
    assert statistics.median(ratios) >= 0.8
