"""Neurons alive and on a path, worked out by hand; and which models are perceptrons."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from engine.sparsity import Masking, SparsityConfig
from engine.sparsity.stats import LayerStats


def masks_of(model: nn.Module, *active: list[tuple[int, int]]) -> None:
    """Give each Linear layer these active weights, as (output, input), and no others."""
    layers = [module for module in model.modules() if isinstance(module, nn.Linear)]
    with torch.no_grad():
        for layer, pairs in zip(layers, active, strict=True):
            layer.weight.zero_()
            for output, source in pairs:
                layer.weight[output, source] = 1.0


def stats_of(model: nn.Module, config: SparsityConfig) -> list[LayerStats]:
    return Masking(model, torch.optim.SGD(model.parameters(), 0.1), config, total_steps=10).layer_stats()


RESUME = SparsityConfig(distribution="resume")


def test_neurons_alive_and_on_a_path_by_hand() -> None:
    """Inputs a b; first layer 0 1 2 3; second layer 0 1 2; outputs 0 1.

    First layer: 0 is fed and read; 1 is fed, nothing reads it; 2 is read, nothing feeds it; 3 is fed and read, by the
    second layer's 2, which no output reads. Second layer: 0 has a path from an input; 1 is fed only by 2, which is fed
    by nothing, and is read; 2 is fed and read by nothing.
    """
    model = nn.Sequential(nn.Flatten(), nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    masks_of(model, [(0, 0), (1, 1), (3, 1)], [(0, 0), (1, 2), (2, 3)], [(0, 0), (0, 1)])
    first, second, last = stats_of(model, RESUME)
    assert (first.alive, first.percolated) == (2, 1)  # 0 and 3 are alive; of these only 0 reaches an output
    assert (second.alive, second.percolated) == (2, 1)  # 0 and 1 are alive; nothing reaches 1 from an input
    assert (last.alive, last.percolated) == (1, 1)  # the output 1 has no active weight
    assert (first.dead_outputs, second.dead_outputs, last.dead_outputs) == (1, 0, 1)


def test_a_layer_without_weights_cuts_every_path() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2))
    config = SparsityConfig(density=2 / 3, layer_densities={"0": 1.0, "1": 0.0, "2": 1.0})
    found = [(layer.alive, layer.percolated) for layer in stats_of(model, config)]
    assert found == [(0, 0), (0, 0), (2, 0)]


def test_they_follow_the_masks_at_an_update() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1))
    masks_of(model, [(0, 0), (1, 1)], [(0, 0), (0, 1)])
    config = SparsityConfig(distribution="resume", growth="gradient", death_rate=0.5, schedule="constant")
    masking = Masking(model, torch.optim.SGD(model.parameters(), 0.1), config, total_steps=10)
    assert [layer.alive for layer in masking.layer_stats()] == [2, 1]
    into, out = (layer.weight for layer in model if isinstance(layer, nn.Linear))
    with torch.no_grad():
        into[1, 1] = 0.1  # the smaller one dies, and (0, 1) grows in its place
    into.grad, out.grad = torch.tensor([[0.0, 9.0], [0.0, 0.0]]), torch.zeros(1, 2)
    masking.update()
    assert masking.masks["0.weight"].tolist() == [[True, True], [False, False]]
    first = masking.layer_stats()[0]
    assert (first.alive, first.percolated, first.dead_outputs) == (1, 1, 1)


class Skipping(nn.Module):
    """Two layers of one width with a connection around them, which sizes alone do not show."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        after: torch.Tensor = self.two(self.one(inputs))
        return inputs + after


@pytest.mark.parametrize(
    ("model", "dense"),
    [
        (Skipping(), ()),
        (nn.Sequential(nn.Linear(4, 4), Skipping()), ()),
        (nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(4, 4)), ()),
        (nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 4), nn.Linear(4, 2)), ("1.weight",)),
        (nn.Sequential(nn.Linear(4, 8), nn.GLU(), nn.Linear(4, 4)), ()),
    ],
    ids=["own module", "own module within", "convolution", "a dense layer between", "other sizes"],
)
def test_of_other_models_it_is_not_known(model: nn.Module, dense: tuple[str, ...]) -> None:
    found = stats_of(model, SparsityConfig(density=0.5, exclude=dense))
    assert [(layer.alive, layer.percolated) for layer in found] == [(None, None)] * len(found)
