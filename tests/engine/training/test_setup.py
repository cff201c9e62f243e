"""How many threads a run computes with."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from engine.config import RunConfig
from engine.training.setup import SetupError, set_threads

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
