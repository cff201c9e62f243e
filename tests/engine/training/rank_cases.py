"""What the ranks of `test_ranks` train."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from engine.config import rules

MODEL: dict[str, Any] = {
    "model": "tests.engine.training.models:small",
    "lr": 0.1,
    "update_frequency": 2,
    "density": 0.3,
}
SIZES = (1, 2, 3)


@dataclass(frozen=True, slots=True)
class Case:
    """The settings of a training."""

    settings: dict[str, Any]


def _rule(**settings: Any) -> Case:
    return Case({**MODEL, "sparse": True, "max_steps": 7, "epochs": 1, **settings})


RULES: dict[str, Case] = {
    **{f"growth {name}": _rule(growth=name) for name in rules.GROWTH},
    **{f"death {name}": _rule(death=name, threshold=0.03) for name in rules.DEATH},
    **{f"redistribution {name}": _rule(redistribution=name, growth="gradient") for name in rules.REDISTRIBUTION},
    "distribution GMP": _rule(sparse_init="GMP"),
}
"""A training with each rule of each registry."""

ALONE_TOO: dict[str, Case] = {
    **RULES,
    "dense": Case({**MODEL, "max_steps": 4, "epochs": 1, "l1": 1e-4}),
    "accumulated": _rule(accumulate=3, batch_size=70, clip_norm=0.5, max_steps=4),
    "fewer samples than ranks": _rule(batch_size=2, max_steps=4, test_batch_size=398),
    "diverged": _rule(lr=1e30),
}
"""What is trained by one, two and three ranks."""

ACTIVE: dict[str, Case] = {
    "SET": _rule(),
    "RigL": _rule(growth="gradient", update_frequency=3, clip_norm=0.1),
    "adam": _rule(optimizer="adam", lr=0.01, l1=1e-4),
}
"""What is trained with the gradients of active weights alone, too."""

NOISY = Case(
    {
        "model": "tests.engine.training.models:noisy",
        "sparse": True,
        "growth": "gradient",
        "update_frequency": 3,
        "epochs": 2,
        "max_steps": 9,
        "accumulate": 2,
        "batch_size": 120,
    }
)
"""Dropout and batch norm, whose draws and means differ by rank."""
