"""A training that was stopped at any step and taken up again is bit for bit the one that never stopped."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from engine.sparsity import Masking, SparsityConfig
from tests.engine.examples import examples
from tests.engine.sparsity.registered import DEATHS, GROWTHS, REDISTRIBUTIONS, STEADY
from tests.patience import PATIENCE

from .helpers import OPTIMIZERS, make_optimizer, masked, network, train

STEPS = 12


def everything(model: nn.Module, masking: Masking) -> dict[str, Any]:
    return {
        "model": model.state_dict(),
        "optimizer": masking.optimizer.state_dict(),
        "masking": masking.state_dict(),
    }


def restored(state: dict[str, Any], config: SparsityConfig, optimizer: str) -> tuple[nn.Module, Masking]:
    """Builds everything again, with other weights and another global seed, and loads a state into it."""
    model = network(seed=99)
    masking = Masking(model, make_optimizer(optimizer, model), config, total_steps=STEPS)
    model.load_state_dict(state["model"])
    masking.optimizer.load_state_dict(state["optimizer"])
    masking.load_state_dict(state["masking"])
    return model, masking


def assert_same(one: object, other: object, where: str = "") -> None:
    assert type(one) is type(other), where
    if isinstance(one, dict):
        assert isinstance(other, dict)
        assert list(one) == list(other), where
        for key in one:
            assert_same(one[key], other[key], f"{where}.{key}")
    elif isinstance(one, (list, tuple)):
        assert isinstance(other, (list, tuple))
        assert len(one) == len(other), where
        for number, (a, b) in enumerate(zip(one, other, strict=True)):
            assert_same(a, b, f"{where}[{number}]")
    elif isinstance(one, torch.Tensor):
        assert isinstance(other, torch.Tensor)
        assert torch.equal(one, other), where
    else:
        assert one == other, where


@settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    growth=st.sampled_from(GROWTHS),
    death=st.sampled_from(DEATHS),
    redistribution=st.sampled_from(REDISTRIBUTIONS),
    distribution=st.sampled_from([*STEADY, "gmp"]),
    optimizer=st.sampled_from(sorted(OPTIMIZERS)),
    stop=st.integers(0, STEPS),
)
def test_stopping_at_any_step_changes_nothing(
    growth: str, death: str, redistribution: str, distribution: str, optimizer: str, stop: int
) -> None:
    check_stopping(growth, death, redistribution, distribution, optimizer, stop)


@pytest.mark.parametrize(
    ("field", "rule"),
    [
        *(("growth", rule) for rule in GROWTHS),
        *(("death", rule) for rule in DEATHS),
        *(("redistribution", rule) for rule in REDISTRIBUTIONS),
        *(("distribution", rule) for rule in STEADY),
    ],
)
def test_stopping_changes_nothing_under_any_rule(field: str, rule: str) -> None:
    chosen = {"growth": "random", "death": "magnitude", "redistribution": "none", "distribution": "erk"} | {field: rule}
    check_stopping(**chosen, optimizer="sgd-momentum", stop=7)


def check_stopping(growth: str, death: str, redistribution: str, distribution: str, optimizer: str, stop: int) -> None:
    if distribution == "gmp":
        redistribution, death = "none", "magnitude" if death == "threshold" else death
    config = SparsityConfig(
        density=0.2,
        distribution=distribution,
        growth=growth,
        death=death,
        redistribution=redistribution,
        update_frequency=3,
        threshold=0.02,
        seed=8,
    )
    model, masking = masked(config, optimizer, STEPS)
    train(model, masking, stop)
    file = io.BytesIO()
    torch.save(everything(model, masking), file)
    train(model, masking, STEPS - stop, start=stop)

    file.seek(0)
    again, again_masking = restored(torch.load(file, weights_only=True), config, optimizer)
    assert again_masking.steps == stop
    train(again, again_masking, STEPS - stop, start=stop)
    assert_same(everything(model, masking), everything(again, again_masking))
    assert masking.stats == again_masking.stats
    assert masking.itop_rate == again_masking.itop_rate


FRESH = """
import sys, torch
from engine.sparsity import SparsityConfig
from tests.engine.sparsity.helpers import train
from tests.engine.sparsity.test_resume import STEPS, everything, restored
state = torch.load(sys.argv[1], weights_only=True)
config = SparsityConfig(density=0.2, growth="random", update_frequency=2, seed=8)
model, masking = restored(state, config, "adamw")
train(model, masking, STEPS - 5, start=5)
torch.save(everything(model, masking), sys.argv[2])
"""


def test_a_fresh_process_goes_on_bit_for_bit(tmp_path: Path) -> None:
    config = SparsityConfig(density=0.2, growth="random", update_frequency=2, seed=8)
    model, masking = masked(config, "adamw", STEPS)
    train(model, masking, 5)
    torch.save(everything(model, masking), tmp_path / "stopped.pt")
    train(model, masking, STEPS - 5, start=5)
    root = Path(__file__).parents[3]
    command = [sys.executable, "-c", FRESH, str(tmp_path / "stopped.pt"), str(tmp_path / "ended.pt")]
    # Sums depend on how they are split over threads, and tests before this one may have changed their number.
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    subprocess.run(command, check=True, cwd=root, timeout=PATIENCE, env=environment)
    assert_same(everything(model, masking), torch.load(tmp_path / "ended.pt", weights_only=True))


def test_a_state_is_a_copy() -> None:
    model, masking = masked(SparsityConfig(density=0.2, update_frequency=1, seed=1))
    state = masking.state_dict()
    before = {name: mask.clone() for name, mask in state["masks"].items()}
    train(model, masking, 3)
    assert_same(state["masks"], before)


def test_a_state_of_other_layers_is_refused() -> None:
    _, masking = masked(SparsityConfig(density=0.2, seed=1))
    _, fewer = masked(SparsityConfig(density=0.2, seed=1, exclude=("4",)))
    with pytest.raises(ValueError, match=r"different: 4\.weight"):
        masking.load_state_dict(fewer.state_dict())


def test_a_state_of_another_version_is_refused() -> None:
    _, masking = masked(SparsityConfig(density=0.2, seed=1))
    with pytest.raises(ValueError, match="version 2 is not 1"):
        masking.load_state_dict({**masking.state_dict(), "version": 2})


def test_going_on_with_another_length_recomputes_the_schedule() -> None:
    config = SparsityConfig(density=0.2, update_frequency=3, seed=8)
    model, masking = masked(config, "adamw", STEPS)
    train(model, masking, 6)
    longer = Masking(model, masking.optimizer, config, total_steps=10 * STEPS)
    longer.load_state_dict(masking.state_dict())
    assert longer.steps == 6
    assert longer.death_rate > masking.death_rate
