"""What a training step costs on a GPU: `pytest -m benchmark --benchmark-enable -s tests/benchmarks/test_gpu_speed.py`.

Images are noise of CIFAR-10's shape, so that no download is needed; the figures do not depend on what they show. The
trainer trains sparse (RigL, density 0.05), with all its figures delivered, against the loop that most people write:
a `DataLoader` with worker processes and pinned memory, the usual dense SGD, and `loss.item()` at every step.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile, record_function
from torch.utils.data import DataLoader, TensorDataset

from engine.config.catalogue import DATASETS
from engine.config.run_config import RunConfig
from engine.data import DataBundle, TensorSplit
from engine.training import setup
from engine.training.callbacks import Callback
from engine.training.parallel import Size
from engine.training.results import StepResult
from engine.training.trainer import Trainer
from engine.training.training import Training

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.benchmark,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device, and torch sees none"),
]

IMAGES, BATCH = 12_800, 128
WARM_UP, MEASURED = 40, 160
"""Steps; the first compile, choose kernels, and fill the allocator's pools."""

MODES: dict[str, dict[str, Any]] = {
    "fp32": {},
    "bf16": {"precision": "bf16"},
    "compiled": {"precision": "bf16", "compile": True},
}
WAITS = ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize")
"""Calls of the CUDA runtime that wait; `item()` of a tensor on the device shows as the first."""


def configuration(model: str, device: torch.device, steps: int, **settings: Any) -> RunConfig:
    """RigL on CIFAR-10's shape, its only mask updates outside the steps looked at."""
    return RunConfig.create(
        {
            "model": model,
            "data": "cifar10",
            "device": device.type,
            "batch_size": BATCH,
            "epochs": 100,
            "max_steps": steps,
            "valid_split": 0,
            "sparse": True,
            "density": 0.05,
            "growth": "gradient",
            "update_frequency": 1000,
            **settings,
        }
    )


def noise(device: torch.device, images: int = IMAGES) -> DataBundle:
    """Random images in memory, normalised as CIFAR-10's are shaped."""
    digits = setup.load_data(RunConfig.create(data="digits", valid_split=0), torch.device("cpu"))
    assert isinstance(digits.train, TensorSplit)
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randint(0, 256, (images, 3, 32, 32), dtype=torch.uint8, generator=generator)
    train = replace(digits.train, inputs=inputs, targets=torch.randint(10, (images,), generator=generator))
    test = replace(train, inputs=inputs[:BATCH], targets=train.targets[:BATCH])
    return replace(digits, info=DATASETS["cifar10"], train=train, valid=None, test=test).to(device)


def finish(device: torch.device) -> float:
    """Waits until the device has done all it was given; returns the time."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


class Clock(Callback):
    """Times the steps after the warm-up, and counts the figures that arrive."""

    def __init__(self, device: torch.device, warm_up: int, measured: int) -> None:
        self.device, self.first, self.last = device, warm_up, warm_up + measured
        self.seconds = 0.0
        self.delivered = 0

    def on_step(self, trainer: Training, figures: StepResult) -> None:
        self.delivered += 1

    def on_step_end(self, trainer: Training) -> None:
        if trainer.step == self.first:
            self.seconds = -finish(self.device)
        if trainer.step == self.last and self.seconds < 0:
            trainer.flush()
            self.seconds += finish(self.device)


def build(
    model: str, device: torch.device, steps: int, callbacks: Sequence[Callback], data: DataBundle, **settings: Any
) -> Trainer:
    config = configuration(model, device, steps, **settings)
    setup.prepare_process(config, device)
    return Trainer(config, setup.make_model(config, data.info), data, device, list(callbacks))


def trained(
    model: str, device: torch.device, data: DataBundle, mode: str, *, warm_up: int = WARM_UP, measured: int = MEASURED
) -> float:
    """Samples a second of the trainer."""
    clock = Clock(device, warm_up, measured)
    outcome = build(model, device, warm_up + measured, [clock], data, **MODES[mode]).fit()
    assert outcome.status == "completed", outcome.reason
    assert clock.delivered == warm_up + measured
    return measured * BATCH / clock.seconds


def plain(
    model: str,
    device: torch.device,
    data: DataBundle,
    mode: str,
    *,
    warm_up: int = WARM_UP,
    measured: int = MEASURED,
    workers: int = 4,
) -> float:
    """Samples a second of a plain dense loop over a `DataLoader`."""
    assert isinstance(data.train, TensorSplit)
    assert data.train.normalise is not None
    split = data.train.to(torch.device("cpu"))
    assert split.normalise is not None
    images = TensorDataset(split.normalise(split.inputs), split.targets)
    loader = DataLoader(
        images,
        BATCH,
        shuffle=True,
        num_workers=workers,
        pin_memory=device.type == "cuda",
        persistent_workers=workers > 0,
    )
    network: nn.Module = setup.make_model(configuration(model, device, 1), data.info).to(device)
    forward: Callable[[torch.Tensor], torch.Tensor] = torch.compile(network) if "compile" in MODES[mode] else network
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True)
    step, started = 0, 0.0
    while True:
        for inputs, targets in loader:
            there = targets.to(device, non_blocking=True)
            optimizer.zero_grad()
            mixed = "precision" in MODES[mode]
            with torch.autocast(device.type, dtype=torch.bfloat16) if mixed else nullcontext():
                loss = nn.functional.cross_entropy(forward(inputs.to(device, non_blocking=True)), there)
            torch.autograd.backward(loss)
            optimizer.step()
            loss.item()
            step += 1
            if step == warm_up:
                started = finish(device)
            if step == warm_up + measured:
                return measured * BATCH / (finish(device) - started)


def waits_within_steps(profiler: profile) -> list[str]:
    """Names what waited for the device between a step's beginning and its end."""
    events = profiler.events()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    assert events is not None
    steps = [event.time_range for event in events if event.name == "training step"]
    assert steps, "the profiler saw no step"
    return [
        event.name
        for event in events
        if event.name in WAITS and any(span.start <= event.time_range.start <= span.end for span in steps)
    ]


def profiled(model: str, device: torch.device, data: DataBundle, mode: str, *, warm_up: int, measured: int) -> profile:
    """Trains under the profiler; what it does itself at its start and end lies outside the steps."""
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device.type == "cuda" else [])]
    profiler = profile(activities=activities)

    class Window(Callback):
        def on_step_end(self, trainer: Training) -> None:
            if trainer.step == warm_up:
                finish(device)
                profiler.start()
            if trainer.step == warm_up + measured:
                profiler.stop()

    trainer = build(model, device, warm_up + measured + 1, [Window()], data, **MODES[mode])
    step = trainer._train_step

    def named(group: Sequence[tuple[torch.Tensor, torch.Tensor, Size]]) -> None:
        with record_function("training step"):
            step(group)

    trainer._train_step = named  # type: ignore[method-assign]
    assert trainer.fit().status == "completed"
    return profiler


@pytest.mark.parametrize("mode", list(MODES))
@pytest.mark.parametrize("model", ["vgg-c", "wrn-22-8"])
def test_a_step_has_no_synchronisation(model: str, mode: str) -> None:
    """Fewer steps are looked at than figures may be on their way, so that none has to be waited for."""
    device = torch.device("cuda")
    assert waits_within_steps(profiled(model, device, noise(device), mode, warm_up=20, measured=20)) == []


@pytest.mark.parametrize("mode", list(MODES))
@pytest.mark.parametrize("model", ["vgg-c", "wrn-22-8"])
def test_samples_a_second_against_a_plain_loader_loop(model: str, mode: str) -> None:
    device = torch.device("cuda")
    data = noise(device)
    theirs, ours = plain(model, device, data, mode), trained(model, device, data, mode)
    print(
        f"\n{model} {mode}: plain DataLoader loop {theirs:,.0f} samples/s, RigL {ours:,.0f}: ratio {ours / theirs:.2f}"
    )
    assert ours >= 0.9 * theirs
