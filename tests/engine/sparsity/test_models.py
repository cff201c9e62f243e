"""Every model of the catalogue is masked to the weight at every density."""

from __future__ import annotations

import math

import pytest
import torch

from engine.config.catalogue import DATASETS, MODELS
from engine.models import build_model
from engine.sparsity import SparsityConfig
from engine.sparsity.distributions import layer_counts
from engine.sparsity.layers import find_maskable

DENSITIES = [0.001, 0.002, 0.005, 0.01, 0.03, 0.05, 0.1, 0.2, 1 / 3, 0.5, 0.7, 0.9, 0.99, 0.999, 1.0]


@pytest.mark.parametrize("name", sorted(MODELS))
def test_totals_are_exact_for_every_model_and_density(name: str) -> None:
    data = DATASETS[MODELS[name].default_dataset]
    with torch.device("meta"):
        model = build_model(name, classes=data.classes, channels=data.channels, height=data.height, width=data.width)
    maskable = find_maskable(model, SparsityConfig())
    names = [one.name for one in maskable]
    shapes = [tuple(one.parameter.shape) for one in maskable]
    sizes = [math.prod(shape) for shape in shapes]
    for distribution in ("uniform", "er", "erk"):
        for density in DENSITIES:
            counts = layer_counts(names, shapes, SparsityConfig(density=density, distribution=distribution))
            assert sum(counts) == round(density * sum(sizes)), (distribution, density)
            assert all(1 <= count <= size for count, size in zip(counts, sizes, strict=True)), (distribution, density)
