"""Schedules of the death rate ζ over training, and which steps are updates at all.

A schedule is `rule(initial, step, total_steps) -> rate`. Past the end every schedule stays where it ended.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

from engine.sparsity.registry import Registry, family
from engine.sparsity.sparsity_config import SparsityConfig

Schedule = Callable[[float, int, int], float]

SCHEDULES: Registry[Schedule] = family("schedule")

FLOOR = 0.005
"""Where the cosine ends: the death rate of the last step."""


def _progress(step: int, total_steps: int) -> float:
    return min(max(step / total_steps, 0.0), 1.0) if total_steps > 0 else 1.0


@SCHEDULES.register("cosine", "to 0.005 at the last step")
def cosine(initial: float, step: int, total_steps: int) -> float:
    """Falls along half a cosine from `initial` to 0.005 (to `initial`, where that is less) and stays there."""
    floor = min(FLOOR, initial)
    return floor + (initial - floor) * (1 + math.cos(math.pi * _progress(step, total_steps))) / 2


@SCHEDULES.register("linear", "to 0 at the last step")
def linear(initial: float, step: int, total_steps: int) -> float:
    """Falls in a straight line from `initial` to 0 and stays there."""
    return initial * (1 - _progress(step, total_steps))


@SCHEDULES.register("constant")
def constant(initial: float, step: int, total_steps: int) -> float:
    """Stays at `initial`."""
    return initial


_MOST_ERROR = 2.0**-50
"""More than the share by which a product in floating point differs from the exact one: a plan takes millions of them,
and only those near a whole number need exact arithmetic, which is forty times slower."""


def dying(rate: float, count: int) -> int:
    """Returns ceil(rate · count): how many of a layer's active weights die at an update.

    The rate is the decimal number that it is written as, and the product is exact: 7 of 100 at a rate of 0.07, which
    floating point makes 7.000000000000001.
    """
    rate = float(rate)
    product = rate * count
    below, error = math.floor(product), product * _MOST_ERROR
    if below + error < product < below + 1 - error:
        return min(count, below + 1)
    return min(count, math.ceil(Fraction(repr(rate)) * count))


def is_update_step(config: SparsityConfig, step: int, total_steps: int) -> bool:
    """Says whether masks are updated after optimizer step `step` (counted from 1).

    Every `update_frequency` steps, up to `last_update`, and never after the very last step: weights grown there would
    never be trained.
    """
    if not config.updates_masks or step < 1 or step >= total_steps or step % config.update_frequency:
        return False
    return config.last_update is None or step <= config.last_update


def update_steps(config: SparsityConfig, total_steps: int) -> range:
    """Returns the steps after which masks are updated, as a range: its length is the number of updates."""
    if not config.updates_masks:
        return range(0)
    last = total_steps - 1 if config.last_update is None else min(config.last_update, total_steps - 1)
    return range(config.update_frequency, last + 1, config.update_frequency)


def gmp_density(final: float, step: int, end: int) -> float:
    """Density of gradual magnitude pruning after an update: d_f + (1 − d_f)(1 − step/end)³, Zhu & Gupta 2017.

    Args:
        final: The density to reach, d_f.
        step: The optimizer step of the update.
        end: The step of the last update, where `final` is reached exactly.
    """
    return final + (1 - final) * (1 - _progress(step, end)) ** 3
