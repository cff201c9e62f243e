"""What the store reads out of a configuration: the columns people filter by, and a name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from db.errors import StoreError
from db.text import storable, storable_json

__all__ = ["clean_config", "clean_name", "clean_tags", "default_name", "facets", "in_recipe", "recipe"]

# Settings that change no result, or only by chance: runs that differ by these alone are repetitions of one experiment.
# fmt: off
_NOT_IN_RECIPE = frozenset({
    "seed", "device", "data_dir", "loader_workers", "test_batch_size", "log_interval", "save", "checkpoint_every",
    "keep_last", "keep_best", "time_limit", "stop_on_nonfinite",
})
# fmt: on


def clean_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration as it will be stored.

    Raises:
        StoreError: It holds something that JSON cannot, which has no nan and no infinities.
    """
    try:
        return dict(json.loads(storable_json(dict(config))))
    except (TypeError, ValueError) as error:
        raise StoreError(f"The configuration cannot be stored as JSON: {error}.") from error


def clean_name(name: str) -> str:
    """A name on one line.

    Raises:
        StoreError: It is blank.
    """
    cleaned = " ".join(storable(name).split())
    if not cleaned:
        raise StoreError("The name of a run cannot be blank.")
    return cleaned


def clean_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """Tags of one line each, none blank, none twice, in the order given."""
    return tuple(dict.fromkeys(cleaned for tag in tags if (cleaned := " ".join(storable(tag).split()))))


def facets(config: Mapping[str, Any]) -> dict[str, Any]:
    """The columns people filter by, and the length in epochs."""
    sparse = bool(config.get("sparse"))
    density = config.get("density") if sparse else 1.0
    seed = config.get("seed")
    epochs = int(config.get("epochs") or 0) * int(config.get("multiplier") or 1)
    return {
        "model": str(config.get("model", "")),
        "data": str(config.get("data", "")),
        "method": str(config.get("method") or _method(config)),
        "seed": None if seed is None else int(seed),
        "target_density": None if density is None else float(density),
        "total_epochs": epochs,
        "recipe": recipe(config),
    }


def recipe(config: Mapping[str, Any]) -> str:
    """A short name for everything in a configuration but the seed and what changes no result.

    Returns:
        16 hexadecimal digits; equal for runs whose figures may be averaged.
    """
    kept = {name: value for name, value in config.items() if in_recipe(name) and value is not None}
    text = json.dumps(kept, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def in_recipe(name: str) -> bool:
    """Whether a setting is a part of the recipe: a difference in it makes two experiments, not two repetitions."""
    return name not in _NOT_IN_RECIPE


def _method(config: Mapping[str, Any]) -> str:
    """The method's name in the field. The engine has the same rule; a test holds the two together."""
    if not config.get("sparse"):
        return "dense"
    if config.get("sparse_init") == "GMP":
        return "GMP"
    if config.get("fix"):
        return "static"
    rules = (
        str(config.get("growth", "random")),
        str(config.get("death", "magnitude")),
        str(config.get("redistribution", "none")),
    )
    if rules in (("random", "magnitude", "none"), ("random", "SET", "none")):
        return "SET-ITOP"
    if rules == ("gradient", "magnitude", "none"):
        return "RigL-ITOP"
    if rules == ("momentum", "magnitude", "momentum"):
        return "SNFS"
    return "+".join(rules[:2] if rules[2] == "none" else rules)


def default_name(config: Mapping[str, Any]) -> str:
    """What a run is called where nobody named it: method, density, seed, model and data set.

    What tells runs of one experiment apart comes first, since a list may have to cut the rest off.
    """
    known = facets(config)
    parts = [known["method"].lower()]
    if config.get("sparse") and known["target_density"] is not None:
        parts.append(f"d{known['target_density']:g}")
    if known["seed"] is not None:
        parts.append(f"s{known['seed']}")
    parts += [known["model"], known["data"]]
    return "-".join(part for part in parts if part) or "run"
