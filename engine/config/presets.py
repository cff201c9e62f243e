"""Named starting points for a run: the published recipes, and quick ones for the bundled digits.

A preset is a set of changes to `RunConfig`'s defaults; `Preset.config` gives the whole configuration.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from engine.config.run_config import RunConfig
from engine.spelling import hint


@dataclass(frozen=True, slots=True)
class Preset:
    """A named start for a new run.

    Attributes:
        name: What the user types or picks.
        title: The line shown in a list.
        description: What it reproduces, and what to expect.
        settings: The fields that differ from `RunConfig`'s defaults.
    """

    name: str
    title: str
    description: str
    settings: Mapping[str, Any] = field(repr=False)

    def config(self, **changes: Any) -> RunConfig:
        """Returns the validated configuration, with some settings changed."""
        return RunConfig.create(self.settings, **changes)


_SET = {"sparse": True, "growth": "random", "death": "magnitude"}
_RIGL = {"sparse": True, "growth": "gradient", "death": "magnitude"}
_STATIC = {"sparse": True, "fix": True}

# The CIFAR recipe of the paper: vgg-c, ERK at density 0.05, the learning rate dropped at 1/2 and 3/4.
_PUBLISHED = {
    "model": "vgg-c",
    "data": "cifar10",
    "density": 0.05,
    "sparse_init": "ERK",
    "lr": 0.1,
    "batch_size": 128,
    "epochs": 250,
    "momentum": 0.9,
    "l2": 5e-4,
    "death_rate": 0.5,
}
# The same, scaled to the 1,797 bundled digits: seconds on a CPU. ΔT keeps some fifty updates in the run, as published.
_QUICK = {
    "model": "lenet300-100",
    "data": "digits",
    "density": 0.05,
    "lr": 0.05,
    "batch_size": 32,
    "epochs": 40,
}


def _preset(name: str, title: str, description: str, *settings: Mapping[str, Any]) -> Preset:
    merged: dict[str, Any] = {}
    for part in settings:
        merged |= part
    return Preset(name, title, description, MappingProxyType(merged))


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        _preset(
            "digits-rigl",
            "RigL-ITOP, quick (digits)",
            "RigL-ITOP on the bundled digits: seconds on a CPU, no download.",
            _QUICK,
            _RIGL,
            {"update_frequency": 30},
        ),
        _preset(
            "digits-set",
            "SET-ITOP, quick (digits)",
            "SET-ITOP on the bundled digits: seconds on a CPU, no download.",
            _QUICK,
            _SET,
            {"update_frequency": 30},
        ),
        _preset(
            "digits-static",
            "static, quick (digits)",
            "A fixed random mask on the bundled digits: what sparse training must beat.",
            _QUICK,
            _STATIC,
        ),
        _preset(
            "digits-dense",
            "dense, quick (digits)",
            "The dense baseline on the bundled digits.",
            _QUICK,
        ),
        _preset(
            "rigl-itop",
            "RigL-ITOP, as published (CIFAR-10)",
            "vgg-c at density 0.05 with ΔT 4000, 250 epochs, as in the ITOP paper.",
            _PUBLISHED,
            _RIGL,
            {"update_frequency": 4000},
        ),
        _preset(
            "set-itop",
            "SET-ITOP, as published (CIFAR-10)",
            "vgg-c at density 0.05 with ΔT 1500, 250 epochs, as in the ITOP paper.",
            _PUBLISHED,
            _SET,
            {"update_frequency": 1500},
        ),
        _preset(
            "static",
            "static, as published (CIFAR-10)",
            "vgg-c at density 0.05 with its first mask kept, 250 epochs.",
            _PUBLISHED,
            _STATIC,
        ),
        _preset(
            "dense",
            "dense, as published (CIFAR-10)",
            "The dense vgg-c of the ITOP paper, 250 epochs.",
            _PUBLISHED,
        ),
        _preset(
            "rigl-itop-5x",
            "RigL-ITOP, 5× longer (CIFAR-10)",
            "The extended run of the ITOP paper: five times the epochs, so that more weights are explored.",
            _PUBLISHED,
            _RIGL,
            {"update_frequency": 4000, "multiplier": 5},
        ),
        _preset(
            "imagenet-rigl-itop",
            "RigL-ITOP, as published (ImageNet)",
            "ResNet-50 at density 0.2 with ΔT 4000: warm-up, label smoothing, 100 epochs, batch 128.",
            _RIGL,
            {
                "model": "resnet50-imagenet",
                "data": "imagenet",
                "density": 0.2,
                "epochs": 100,
                "batch_size": 128,
                "warmup_epochs": 5,
                "label_smoothing": 0.1,
                "update_frequency": 4000,
                "l2": 1e-4,
            },
        ),
    )
}
"""The presets by name, in the order in which a list shows them."""


def preset(name: str) -> Preset:
    """Returns a preset by its name.

    Raises:
        LookupError: If there is none of that name; the message lists them and the nearest.
    """
    try:
        return PRESETS[name.strip().lower()]
    except KeyError:
        raise LookupError(f"must be one of {', '.join(PRESETS)}{hint(name, PRESETS)}") from None
