"""`SparsityConfig`: everything that decides which weights are active, checked before anything trains."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from engine.sparsity.registry import FAMILIES, unknown_value


@dataclass(frozen=True, slots=True, kw_only=True)
class SparsityConfig:
    """How a network is made sparse and how its masks move.

    The number of active weights is the same at every step. Two choices are different: `gmp` starts dense
    and goes down to `density` at its last update, d(t) = d + (1 − d)(1 − t/T)³, and grows nothing, so that `growth` has
    no effect; death by `threshold` removes every small weight, however many there are, and as many grow.

    Args:
        density: Share of the maskable weights that is active, over the whole network, 0 < density ≤ 1.
        distribution: How the active weights are shared out over the layers: a name in `DISTRIBUTIONS` (`uniform`, `er`,
            `erk`, `lottery_ticket`, `gmp`, `resume`), in any case, as all names here.
        growth: A name in `GROWTH` (`random`, `random_unfired`, `gradient`, `momentum`, `momentum_neuron`).
        death: A name in `DEATH` (`magnitude`, `SET`, `threshold`, `Taylor_FO`, `global_magnitude`).
        redistribution: A name in `REDISTRIBUTION` (`none`, `magnitude`, `momentum`, `nonzeros`).
        death_rate: Share of a layer's active weights that dies at an update, at the start of the schedule.
        schedule: How the death rate falls: a name in `SCHEDULES` (`cosine`, `linear`, `constant`).
        update_frequency: Optimizer steps between two updates (ΔT).
        last_update: Step after which no update is made; None: none is ruled out.
        threshold: For death by `threshold`: every active weight with |w| below it dies.
        dense_first_layer: Keep the first maskable layer dense; the others make up for it.
        fill_empty_layers: For `lottery_ticket`: keep the largest weight of every layer, where the ranking of the whole
            network would leave some without any; such a first mask is refused otherwise. The distributions by shape do
            so by themselves.
        fixed: Never update the masks (static sparse training).
        include: Names of parameters to mask beside those that are masked by default (the weights of Linear,
            convolutions, Bilinear, attention and recurrent networks), or of modules, whose parameters of two or more
            dimensions are masked then. All names may be patterns as of `fnmatch`.
        exclude: Names of parameters, or of modules, to leave dense and uncounted; they win over `include`.
        layer_densities: Name of parameters or modules → density of each of those layers; the rest makes up for it.
            Where they name every layer, these densities decide the total.
        seed: Seed of the masks' own generator; None draws one from torch's global generator.

    Raises:
        ValueError: A field is out of range, a name is unknown, or two choices contradict each other.
    """

    density: float = 0.05
    distribution: str = "erk"
    growth: str = "random"
    death: str = "magnitude"
    redistribution: str = "none"
    death_rate: float = 0.5
    schedule: str = "cosine"
    update_frequency: int = 100
    last_update: int | None = None
    threshold: float = 1e-3
    dense_first_layer: bool = False
    fill_empty_layers: bool = False
    fixed: bool = False
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    layer_densities: Mapping[str, float] = field(default_factory=dict)
    seed: int | None = None

    def __post_init__(self) -> None:
        # The families fill when the package is imported; the rules' modules import this one for their signatures.
        for name in ("distribution", "growth", "death", "redistribution", "schedule"):
            object.__setattr__(self, name, FAMILIES[name].canonical(getattr(self, name)))
        for name in ("include", "exclude"):
            value = getattr(self, name)
            object.__setattr__(self, name, (value,) if isinstance(value, str) else tuple(value))
        object.__setattr__(self, "layer_densities", dict(self.layer_densities))
        self._check_ranges()
        self._check_combinations()

    @classmethod
    def create(cls, **values: Any) -> SparsityConfig:
        """Builds a configuration from keywords, naming the nearest field where one is misspelt.

        Raises:
            ValueError: As the class, or a field does not exist.
        """
        allowed = [spec.name for spec in fields(cls)]
        for name in values:
            if name not in allowed:
                raise unknown_value("sparsity setting", name, allowed)
        return cls(**values)

    @property
    def updates_masks(self) -> bool:
        """Whether masks ever change after the first one."""
        starts_otherwise = self.distribution in ("gmp", "resume") or bool(self.layer_densities)
        return not self.fixed and (self.density < 1 or starts_otherwise)

    def _check_ranges(self) -> None:
        _in_range("density", self.density, 0, 1, low_open=True)
        _in_range("death_rate", self.death_rate, 0, 1)
        _in_range("threshold", self.threshold, 0, math.inf)
        for pattern, density in self.layer_densities.items():
            _in_range(f"layer_densities[{pattern!r}]", density, 0, 1)
        _whole("update_frequency", self.update_frequency, 1)
        if self.last_update is not None:
            _whole("last_update", self.last_update, 0)
        if self.seed is not None:
            _whole("seed", self.seed, 0)

    def _check_combinations(self) -> None:
        if self.distribution == "gmp":
            self._refuse(self.fixed, "fixed", "gmp starts dense, and fixed masks would leave it dense")
            self._refuse(self.redistribution != "none", "redistribution", "gmp regrows nothing that could be moved")
            self._refuse(self.death == "threshold", "death", "both gmp and threshold decide how many weights die")
            self._refuse(bool(self.layer_densities), "layer_densities", "gmp starts every layer dense")
        if self.distribution == "resume":
            why = "resume takes each layer's mask from the weights as they are"
            self._refuse(self.dense_first_layer, "dense_first_layer", why)
            self._refuse(bool(self.layer_densities), "layer_densities", why)

    def _refuse(self, wrong: bool, name: str, why: str) -> None:
        if wrong:
            value = getattr(self, name)
            raise ValueError(f"{name}: {value!r} cannot be combined with distribution {self.distribution!r}: {why}.")


def _whole(name: str, value: object, low: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < low:
        raise ValueError(f"{name}: {value!r} must be a whole number, {low} or more.")


def _in_range(name: str, value: object, low: float, high: float, *, low_open: bool = False) -> None:
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high
    if not good or (low_open and value == low):
        span = f"{'above' if low_open else 'at least'} {low}" + ("" if math.isinf(high) else f" and at most {high}")
        raise ValueError(f"{name}: {value!r} must be {span}.")
