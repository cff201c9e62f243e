"""What layers gain that are computed from their active weights alone: `pytest -m benchmark --benchmark-enable -s
tests/benchmarks/test_sparse_speed.py`.

Whole training steps (forward, backward, optimizer, masks) of a masked network and of the same one computed sparse, in
turns, with one thread. The processor's time of that thread is taken, so that other programs matter less; caches and a
core that is shared with another thread they still take.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from engine.sparsity import Masking, SparsityConfig
from engine.sparsity.sparse_linear import Keeping, make_sparse

pytestmark = pytest.mark.benchmark

NETWORKS = {
    "lenet300-100": (784, 300, 100, 10),
    "784-1568×3-10": (784, 1568, 1568, 1568, 10),
    "mlp-cifar10": (3072, 1024, 512, 10),
}

STEPS = [
    ("lenet300-100", 128, 0.05, 2.4),
    ("lenet300-100", 128, 0.01, 3.0),
    ("784-1568×3-10", 128, 0.05, 6.0),
    ("784-1568×3-10", 128, 0.01, 12.0),
    ("784-1568×3-10", 32, 0.01, 12.0),
    ("mlp-cifar10", 128, 0.05, 4.5),
]
"""Network, batch, density, and how many times faster a sparse step is to be."""

UPDATE_SHARE = 0.15
"""Of the time between two updates at ΔT 100, what an update may take."""


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def seconds(action: Callable[[], object]) -> float:
    started = time.thread_time()
    action()
    return time.thread_time() - started


def medians(actions: Mapping[str, Callable[[], object]], rounds: int, repeats: int = 10) -> dict[str, float]:
    """Times the actions in turns, each some times in a row as in a training; the first of a row only fills caches."""
    times: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(rounds):
        for name, action in actions.items():
            action()
            times[name] += [seconds(action) for _ in range(repeats)]
    return {name: statistics.median(values) for name, values in times.items()}


def perceptron(widths: tuple[int, ...]) -> nn.Sequential:
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers[:-1])


def training(network: str, density: float, execution: str, growth: str) -> tuple[nn.Module, Masking]:
    model = perceptron(NETWORKS[network])
    optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9, weight_decay=5e-4, fused=True)
    config = SparsityConfig(density=density, growth=growth, update_frequency=100, seed=1)
    return model, Masking(model, optimizer, config, total_steps=1_000_000, execution=execution)


def step(model: nn.Module, masking: Masking, inputs: Tensor, targets: Tensor) -> None:
    masking.optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(nn.functional.cross_entropy(model(inputs), targets))
    masking.step()


@pytest.mark.parametrize(("network", "batch", "density", "wanted"), STEPS)
def test_a_training_step(network: str, batch: int, density: float, wanted: float) -> None:
    inputs, targets = torch.randn(batch, NETWORKS[network][0]), torch.randint(10, (batch,))
    pairs = {way: training(network, density, way, "random") for way in ("masked", "sparse")}
    taken = medians({way: partial(step, *pair, inputs, targets) for way, pair in pairs.items()}, 6)
    ratio = taken["masked"] / taken["sparse"]
    sizes = {way: stored(*pair) for way, pair in pairs.items()}
    print(
        f"\n{network}, batch {batch}, density {density}: masked {taken['masked'] * 1e3:.2f} ms, sparse "
        f"{taken['sparse'] * 1e3:.2f} ms, {ratio:.1f} times as fast (wanted {wanted}); weights, gradients and momentum "
        f"{sizes['masked']:,} bytes, {sizes['sparse']:,} bytes"
    )
    assert sizes["sparse"] < sizes["masked"] * (density + 0.05)
    assert ratio >= wanted


@pytest.mark.parametrize("growth", ["random", "gradient"])
@pytest.mark.parametrize(("network", "density"), [("lenet300-100", 0.05), ("784-1568×3-10", 0.01)])
def test_a_mask_update(network: str, density: float, growth: str) -> None:
    inputs, targets = torch.randn(128, NETWORKS[network][0]), torch.randint(10, (128,))
    model, masking = training(network, density, "sparse", growth)

    def update() -> None:
        masking.steps = 99
        step(model, masking, inputs, targets)

    def between() -> None:
        masking.steps = 100
        step(model, masking, inputs, targets)

    taken = medians({"update": update, "step": between}, 5, 5)
    assert masking.updates >= 25
    share = (taken["update"] - taken["step"]) / (100 * taken["step"])
    print(
        f"\n{network}, density {density}, growth {growth}: step {taken['step'] * 1e3:.2f} ms, update "
        f"{(taken['update'] - taken['step']) * 1e3:.2f} ms more, {share:.3f} of the time between two at ΔT 100"
    )
    assert share <= UPDATE_SHARE


@pytest.mark.parametrize(("density", "wanted"), [(0.05, 4.0), (0.01, 8.0)])
def test_a_layer_with_row_major_tensors(density: float, wanted: float) -> None:
    """Forward and backward of 1024 × 1024 at batch 128, with tensors in and out as other layers have them."""
    dense, sparse = layers(density)
    one, other = (torch.randn(128, 1024, requires_grad=True) for _ in range(2))
    up = torch.randn(128, 1024)

    def run(layer: nn.Module, inputs: Tensor) -> None:
        torch.autograd.backward(layer(inputs), up)

    taken = medians({"dense": lambda: run(dense, one), "sparse": lambda: run(sparse, other)}, 6)
    ratio = taken["dense"] / taken["sparse"]
    print(
        f"\n1024 × 1024, batch 128, density {density}: dense {taken['dense'] * 1e3:.2f} ms, sparse "
        f"{taken['sparse'] * 1e3:.2f} ms, {ratio:.1f} times as fast (wanted {wanted})"
    )
    assert ratio >= wanted


def test_a_single_sample() -> None:
    dense, sparse = layers(0.05)
    inputs = torch.randn(1, 1024)
    with torch.no_grad():
        taken = medians({"dense": lambda: dense(inputs), "sparse": lambda: sparse(inputs)}, 6, 100)
    ratio = taken["dense"] / taken["sparse"]
    print(
        f"\n1024 × 1024, one sample, density 0.05: dense {taken['dense'] * 1e6:.0f} µs, sparse "
        f"{taken['sparse'] * 1e6:.0f} µs, {ratio:.1f} times as fast"
    )
    assert ratio > 1


def layers(density: float) -> tuple[nn.Linear, nn.Module]:
    torch.manual_seed(0)
    dense, module = nn.Linear(1024, 1024), nn.Linear(1024, 1024)
    active = torch.randperm(1 << 20)[: round(density * (1 << 20))].sort().values
    optimizer = torch.optim.SGD(module.parameters(), 0.1)
    return dense, make_sparse(module, active, optimizer, Keeping())


def stored(model: nn.Module, masking: Masking) -> int:
    """Bytes of weights, gradients and momentum."""
    state = masking.optimizer.state
    tensors = [
        tensor
        for parameter in model.parameters()
        for tensor in (parameter, parameter.grad, state[parameter].get("momentum_buffer"))
        if tensor is not None
    ]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
