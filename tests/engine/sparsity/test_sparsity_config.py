"""Bad settings are refused before training, in one sentence that helps."""

from __future__ import annotations

import pytest

from engine.sparsity import SparsityConfig

from .helpers import masked


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"density": 0.0}, "density: 0.0 must be above 0 and at most 1"),
        ({"density": 1.2}, "density: 1.2 must be"),
        ({"density": "half"}, "density: 'half' must be"),
        ({"density": float("nan")}, "density: nan must be"),
        ({"death_rate": -0.1}, "death_rate: -0.1 must be at least 0 and at most 1"),
        ({"threshold": -1.0}, "threshold: -1.0 must be at least 0"),
        ({"update_frequency": 0}, "update_frequency: 0 must be a whole number, 1 or more"),
        ({"update_frequency": 1.5}, "update_frequency: 1.5"),
        ({"last_update": -1}, "last_update: -1"),
        ({"seed": -4}, "seed: -4"),
        ({"layer_densities": {"fc": 2.0}}, r"layer_densities\['fc'\]: 2.0"),
        ({"distribution": "ERKK"}, r"distribution: 'ERKK' is not known. Did you mean 'erk'\?"),
        ({"growth": "gradeint"}, r"growth: 'gradeint' is not known. Did you mean 'gradient'\?"),
        ({"death": "set_"}, r"death: 'set_' is not known. Did you mean 'SET'\?"),
        ({"redistribution": "nonzero"}, r"Did you mean 'nonzeros'\? Allowed: magnitude, momentum, none, nonzeros"),
        ({"schedule": "cosin"}, r"schedule: 'cosin' is not known. Did you mean 'cosine'\?"),
        ({"densty": 0.1}, r"'densty' is not known. Did you mean 'density'\?"),
    ],
)
def test_values_outside_what_is_allowed(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SparsityConfig.create(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"distribution": "gmp", "fixed": True}, "fixed: True cannot be combined with distribution 'gmp'"),
        ({"distribution": "gmp", "redistribution": "momentum"}, "redistribution: 'momentum' cannot be combined"),
        ({"distribution": "gmp", "death": "threshold"}, "death: 'threshold' cannot be combined"),
        ({"distribution": "gmp", "layer_densities": {"*": 0.5}}, r"layer_densities: .* starts every layer dense"),
        ({"distribution": "resume", "dense_first_layer": True}, "dense_first_layer: True cannot be combined"),
        ({"distribution": "resume", "layer_densities": {"*": 0.5}}, "takes each layer's mask from the weights"),
    ],
)
def test_impossible_combinations(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SparsityConfig.create(**settings)


def test_names_are_accepted_in_any_case() -> None:
    config = SparsityConfig(
        distribution="ERK", growth="Gradient", death="taylor_fo", redistribution="NONE", schedule="Cosine"
    )
    assert (config.distribution, config.growth, config.death) == ("erk", "gradient", "Taylor_FO")
    assert (config.redistribution, config.schedule) == ("none", "cosine")
    assert SparsityConfig(death="set").death == "SET"


def test_gmp_without_a_single_update_is_refused() -> None:
    with pytest.raises(ValueError, match=r"update_frequency: 100 leaves gmp no update in 40 steps"):
        masked(SparsityConfig(distribution="gmp"), total_steps=40)


def test_gmp_with_a_first_layer_too_large_for_its_end_is_refused() -> None:
    with pytest.raises(ValueError, match=r"dense_first_layer: density 0\.1 allows 44"):
        masked(SparsityConfig(distribution="gmp", density=0.1, dense_first_layer=True, update_frequency=2))
