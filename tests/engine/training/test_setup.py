"""What holds for the whole process: its seeds, and how many threads it computes with."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import nn

from engine.config.run_config import RunConfig
from engine.training import setup
from engine.training.parallel import synchronised
from engine.training.setup import SetupError, reservable, set_threads
from tests.engine.training.helpers import config

CPU = torch.device("cpu")
LENET_300_100 = 532_400.0  # FLOPs of one 28×28 image: 2 · 266,200
VGG_C = 6e8


@pytest.fixture(autouse=True)
def three_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("ITOP_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_a_small_network_computes_with_one_thread() -> None:
    set_threads(RunConfig.create(batch_size=100), CPU, LENET_300_100)
    assert torch.get_num_threads() == 1


def test_ranks_on_the_processor_share_its_threads() -> None:
    set_threads(RunConfig.create(batch_size=128, devices=2), CPU, VGG_C)
    assert torch.get_num_threads() == 1


def test_a_large_network_keeps_torchs_choice() -> None:
    set_threads(RunConfig.create(batch_size=128), CPU, VGG_C)
    assert torch.get_num_threads() == 3


@pytest.mark.parametrize("name", ["ITOP_THREADS", "OMP_NUM_THREADS"])
def test_the_users_number_of_threads_wins(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "2")
    set_threads(RunConfig.create(batch_size=100), CPU, LENET_300_100)
    assert torch.get_num_threads() == (2 if name == "ITOP_THREADS" else 3)  # OpenMP reads its own at the start


@pytest.mark.parametrize("value", ["two", "0", "-1"])
def test_a_wrong_number_of_threads_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ITOP_THREADS", value)
    with pytest.raises(SetupError, match="a whole number, 1 or more"):
        set_threads(RunConfig.create(), CPU, LENET_300_100)


def test_every_generator_is_seeded_whatever_was_drawn_before() -> None:
    """Defect 16 of the official code: torch alone was."""
    drawn = []
    for noise in (1, 5):
        for _ in range(noise):
            _draw()
        setup.prepare_process(config(seed=11), torch.device("cpu"))
        drawn.append(_draw())
    assert drawn[0] == drawn[1]
    setup.seed_everything(12)
    assert all(mine != theirs for mine, theirs in zip(_draw(), drawn[0], strict=True))


def _draw() -> tuple[float, float, list[float]]:
    return random.random(), float(np.random.random()), torch.rand(3).tolist()


def test_batch_norm_over_all_ranks_is_refused_on_the_processor() -> None:
    with pytest.raises(SetupError, match="sync_batchnorm = True: torch's SyncBatchNorm computes on GPUs only"):
        synchronised(nn.Sequential(nn.BatchNorm1d(3)), torch.device("cpu"))


def test_ranks_on_the_processor_are_reserved_as_one_device() -> None:
    assert reservable("cpu", "3") == ("cpu",)
    if not torch.cuda.is_available():
        with pytest.raises(SetupError, match="torch sees no GPU here"):
            reservable("auto", "cuda:0,cuda:1")
