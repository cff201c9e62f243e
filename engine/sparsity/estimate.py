"""What to expect of a run before it: how much of the network it will have explored, R_s."""

from __future__ import annotations

from collections.abc import Sequence

from engine.sparsity.initial import LayerPlan
from engine.sparsity.schedules import SCHEDULES, dying, update_steps
from engine.sparsity.sparsity_config import SparsityConfig


def expected_itop_rate(layers: Sequence[LayerPlan], config: SparsityConfig, total_steps: int) -> float | None:
    """Expected R_s at the end of training.

    At an update with death rate ζ a layer of N weights, n of them active, loses k = ceil(ζ·n) and draws k of the R =
    N − n + k then inactive ones. Under random growth each weight that was never active is drawn with probability k/R,
    so the expected number of never active ones shrinks by the factor 1 − k/R:

        R_s = 1 − Σ_l (N_l − n_l) · ∏_t (1 − k_l(t)/R_l(t)) / Σ_l N_l

    which is exact for random growth without redistribution. For `random_unfired`, k of them go at each update until
    none is left. Gradients and momenta return to the same weights, so for those growth rules this is an upper
    estimate.

    Args:
        layers: From `plan_layers`.
        config: The rules and their schedule.
        total_steps: Optimizer steps of the training.

    Returns:
        The expected R_s, or None for death by threshold, whose extent nothing but training tells.
    """
    if config.distribution == "gmp":
        return 1.0
    if config.death == "threshold" and config.updates_masks:
        return None
    schedule = SCHEDULES[config.schedule]
    rates = [schedule(config.death_rate, step, total_steps) for step in update_steps(config, total_steps)]
    size = sum(layer.size for layer in layers)
    return 1 - sum(_never_active(layer, config, rates) for layer in layers) / size


def _never_active(layer: LayerPlan, config: SparsityConfig, rates: Sequence[float]) -> float:
    """Expected number of a layer's weights that are never active."""
    left = float(layer.size - layer.nonzeros)
    for rate in rates:
        count = dying(rate, layer.nonzeros)
        if config.growth == "random_unfired":
            left = max(0.0, left - count)
        elif count:
            left *= 1 - count / (layer.size - layer.nonzeros + count)
    return left
