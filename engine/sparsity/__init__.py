"""Sparse training of any `nn.Module`: plain PyTorch, usable without the rest of this project.

    from engine.sparsity import Masking, SparsityConfig

    masking = Masking(model, optimizer, SparsityConfig(density=0.05, growth="gradient"), total_steps=97_750)
    for inputs, targets in batches:
        optimizer.zero_grad()
        criterion(model(inputs), targets).backward()
        masking.step()

A method is made of small functions on tensors, which are registered in `DISTRIBUTIONS`, `DEATH`, `GROWTH`,
`REDISTRIBUTION`, `SCHEDULES`. A custom rule is added by registration:

    @GROWTH.register("corner")
    def corner(layer, count, generator):
        return (~layer.mask).nonzero().view(-1)[:count]

    SparsityConfig(growth="corner")

`Masking(…, execution="sparse")` stores and computes linear layers on the CPU by their active weights alone
(`sparse_linear.py`, `kernels/`); `masking.execution` says which.
"""

from engine.sparsity import flops
from engine.sparsity.coverage import Coverage
from engine.sparsity.death import DEATH, per_layer
from engine.sparsity.distributions import DISTRIBUTIONS
from engine.sparsity.estimate import expected_itop_rate
from engine.sparsity.execution import LayerExecution
from engine.sparsity.growth import GROWTH
from engine.sparsity.initial import LayerPlan, plan_layers
from engine.sparsity.layers import DenseMatrix, Layer
from engine.sparsity.masking import Masking
from engine.sparsity.norm_guards import guard_norms
from engine.sparsity.redistribution import REDISTRIBUTION
from engine.sparsity.schedules import SCHEDULES, update_steps
from engine.sparsity.selection import largest, random_subset, smallest
from engine.sparsity.sparse_linear import SparseLinear
from engine.sparsity.sparsity_config import SparsityConfig
from engine.sparsity.stats import LayerStats, UpdateStats

__all__ = [
    "DEATH",
    "DISTRIBUTIONS",
    "GROWTH",
    "REDISTRIBUTION",
    "SCHEDULES",
    "Coverage",
    "DenseMatrix",
    "Layer",
    "LayerExecution",
    "LayerPlan",
    "LayerStats",
    "Masking",
    "SparseLinear",
    "SparsityConfig",
    "UpdateStats",
    "expected_itop_rate",
    "flops",
    "guard_norms",
    "largest",
    "per_layer",
    "plan_layers",
    "random_subset",
    "smallest",
    "update_steps",
]
