"""The same masks and the same guarantees on a CUDA device."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from engine.sparsity import Masking, SparsityConfig
from tests.engine.sparsity.registered import DEATHS, GROWTHS

from .helpers import active, batch, make_optimizer, network

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device, and torch sees none"),
]


def on_cuda(config: SparsityConfig, optimizer: str = "sgd-momentum", seed: int = 0) -> tuple[nn.Module, Masking]:
    model = network(seed).cuda()
    return model, Masking(model, make_optimizer(optimizer, model), config, total_steps=40)


def train(model: nn.Module, masking: Masking, steps: int, start: int = 0) -> None:
    for step in range(start, start + steps):
        inputs, targets = batch(step)
        masking.optimizer.zero_grad()
        torch.autograd.backward(nn.functional.cross_entropy(model(inputs.cuda()), targets.cuda()))
        masking.step()


@pytest.mark.parametrize("growth", GROWTHS)
@pytest.mark.parametrize("death", DEATHS)
def test_active_weights_are_constant(growth: str, death: str) -> None:
    config = SparsityConfig(
        density=0.2, growth=growth, death=death, redistribution="magnitude", update_frequency=2, threshold=0.02, seed=5
    )
    model, masking = on_cuda(config)
    for step in range(9):
        train(model, masking, 1, step)
        assert active(masking) == masking.nonzeros == 88
        for name, mask in masking.masks.items():
            assert mask.is_cuda
            assert (dict(model.named_parameters())[name][~mask] == 0).all()


@pytest.mark.parametrize("optimizer", ["sgd", "sgd-nesterov", "adam-fused", "adamw"])
def test_steps_between_updates_do_not_wait_for_the_device(optimizer: str) -> None:
    config = SparsityConfig(density=0.2, growth="momentum", update_frequency=1000, seed=5)
    model, masking = on_cuda(config, optimizer)
    train(model, masking, 2)
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(3):
            masking.step()
            assert masking.itop_rate >= masking.density > 0
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_masks_depend_on_the_seed_alone_under_deterministic_algorithms() -> None:
    torch.use_deterministic_algorithms(True)
    try:
        masks = []
        for _ in range(2):
            model, masking = on_cuda(SparsityConfig(density=0.2, growth="random", update_frequency=1, seed=5))
            for parameter in model.parameters():
                parameter.grad = torch.ones_like(parameter)
            for _ in range(4):
                masking.step()
            masks.append(masking.masks)
    finally:
        torch.use_deterministic_algorithms(False)
    assert all(torch.equal(masks[0][name], masks[1][name]) for name in masks[0])


def test_a_state_from_cuda_goes_on_on_the_cpu() -> None:
    config = SparsityConfig(density=0.2, update_frequency=2, seed=5)
    model, masking = on_cuda(config)
    train(model, masking, 5)
    there = network(seed=9)
    other = Masking(there, make_optimizer("sgd-momentum", there), config, total_steps=40)
    other.load_state_dict(masking.state_dict())
    assert other.steps == 5
    assert all(torch.equal(mask, masking.masks[name].cpu()) for name, mask in other.masks.items())
    other.update()
    assert active(other) == 88
