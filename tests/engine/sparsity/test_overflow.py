"""Mask updates that fall due on a step which a gradient scaler skips."""

from __future__ import annotations

import io
from collections.abc import Collection
from typing import Any, Protocol

import pytest
import torch
from torch import nn

from engine.sparsity import Masking, SparsityConfig
from engine.sparsity.stats import UpdateStats

from .helpers import active, batch, make_optimizer, masked, network
from .test_resume import assert_same

TOTAL = 12


class Stateful(Protocol):
    """What goes into a checkpoint."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state_dict: dict[str, Any], /) -> object: ...


def config(growth: str = "gradient", *, every: int = 3, last: int | None = None) -> SparsityConfig:
    return SparsityConfig(density=0.3, growth=growth, update_frequency=every, last_update=last, seed=4)


def scaled_steps(
    model: nn.Module, masking: Masking, scaler: torch.amp.GradScaler, steps: range, overflows: Collection[int]
) -> list[UpdateStats]:
    """Trains the steps given, numbered from 1; in some of them one gradient of a masked layer is infinite."""
    updates = []
    for step in steps:
        inputs, targets = batch(step)
        masking.optimizer.zero_grad()
        torch.autograd.backward(scaler.scale(nn.functional.cross_entropy(model(inputs), targets)))
        if step in overflows:
            weight = model.get_parameter("4.weight")
            assert weight.grad is not None
            weight.grad[~masking.masks["4.weight"]] = torch.inf
        stats = masking.step(scaler)
        scaler.update()
        assert active(masking) == round(0.3 * 441)
        if stats is not None:
            updates.append(stats)
    return updates


def update_steps(settings: SparsityConfig, overflows: Collection[int], optimizer: str = "sgd-momentum") -> list[int]:
    model, masking = masked(settings, optimizer, TOTAL)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    return [stats.step for stats in scaled_steps(model, masking, scaler, range(1, TOTAL + 1), overflows)]


@pytest.mark.parametrize("optimizer", ["sgd-momentum", "adam-fused"])
@pytest.mark.parametrize(
    ("overflows", "expected"),
    [
        ((), [3, 6, 9]),
        ((2,), [3, 6, 9]),  # no update was due
        ((3,), [4, 6, 9]),
        ((3, 4), [5, 6, 9]),
        ((3, 4, 5), [6, 9]),  # the late one and the one due are the same
        ((9, 10, 11, 12), [3, 6]),  # nothing would train what grows after the last step
    ],
)
def test_an_update_on_a_skipped_step_waits_for_the_next_good_one(
    overflows: tuple[int, ...], expected: list[int], optimizer: str
) -> None:
    assert update_steps(config(), overflows, optimizer) == expected


def test_the_last_update_may_come_late() -> None:
    assert update_steps(config(last=6), (6,)) == [3, 7]


@pytest.mark.parametrize("growth", ["random", "momentum"])
def test_an_update_that_reads_no_gradient_does_not_wait(growth: str) -> None:
    assert update_steps(config(growth), (3, 6)) == [3, 6, 9]


def test_what_grows_late_is_what_the_good_gradients_say() -> None:
    """The infinite gradients of step 3 would take every place in their layer; step 4's own ranks what grows."""
    model, masking = masked(config(), "sgd-momentum", TOTAL)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    scaled_steps(model, masking, scaler, range(1, 4), (3,))
    before = {name: mask.clone() for name, mask in masking.masks.items()}
    (stats,) = scaled_steps(model, masking, scaler, range(4, 5), ())
    assert stats.grown > 0
    for name, mask in masking.masks.items():
        gradient = model.get_parameter(name).grad
        assert gradient is not None
        grown, passed_over = mask & ~before[name], ~mask & ~before[name]
        if grown.any() and passed_over.any():
            assert gradient[grown].abs().min() >= gradient[passed_over].abs().max()


@pytest.mark.parametrize("stop", range(1, 8))
def test_stopping_while_an_update_is_put_off_changes_nothing(stop: int) -> None:
    overflows = (3, 4)
    model, masking = masked(config(), "sgd-momentum", TOTAL)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    scaled_steps(model, masking, scaler, range(1, stop + 1), overflows)
    file = io.BytesIO()
    parts: tuple[Stateful, ...] = (model, masking.optimizer, masking, scaler)
    torch.save([part.state_dict() for part in parts], file)
    scaled_steps(model, masking, scaler, range(stop + 1, TOTAL + 1), overflows)

    file.seek(0)
    other = network(seed=99)
    optimizer = make_optimizer("sgd-momentum", other)
    other_masking = Masking(other, optimizer, config(), total_steps=TOTAL)
    other_scaler = torch.amp.GradScaler("cpu")
    others: tuple[Stateful, ...] = (other, optimizer, other_masking, other_scaler)
    for part, state in zip(others, torch.load(file, weights_only=True), strict=True):
        part.load_state_dict(state)
    scaled_steps(other, other_masking, other_scaler, range(stop + 1, TOTAL + 1), overflows)
    for one, another in zip(parts, others, strict=True):
        assert_same(one.state_dict(), another.state_dict())


def test_a_state_from_before_updates_could_wait_still_loads() -> None:
    _, masking = masked(config(), "sgd-momentum", TOTAL)
    state = masking.state_dict()
    del state["put_off"]
    masking.load_state_dict(state)
    assert masking.state_dict()["put_off"] is False
