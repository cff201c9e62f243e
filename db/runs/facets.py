"""What the store reads out of a configuration: the columns people filter by, and a name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from db.declared_settings import in_recipe
from db.errors import StoreError
from db.text import storable, storable_json

__all__ = ["Experiment", "clean_config", "clean_name", "clean_tags", "default_name", "facets", "recipe", "shown_name"]


@dataclass(frozen=True, slots=True)
class Experiment:
    """Which experiment a run belongs to, as the engine works it out of the configuration.

    Attributes:
        method: The method's name in the field, as SET-ITOP.
        recipe: The same for runs that are repetitions of one experiment; at most 16 characters.
    """

    method: str
    recipe: str


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


def facets(config: Mapping[str, Any], experiment: Experiment | None = None) -> dict[str, Any]:
    """The columns people filter by, and the length in epochs.

    Args:
        config: The configuration.
        experiment: Which experiment it belongs to. By default no method is known, and the recipe is
            `recipe(config)`.
    """
    sparse = bool(config.get("sparse"))
    density = config.get("density") if sparse else 1.0
    seed = config.get("seed")
    epochs = int(config.get("epochs") or 0) * int(config.get("multiplier") or 1)
    known = experiment or Experiment(str(config.get("method", "")), recipe(config))
    return {
        "model": shown_name(str(config.get("model", ""))),
        "data": shown_name(str(config.get("data", ""))),
        "method": known.method,
        "seed": None if seed is None else int(seed),
        "target_density": None if density is None else float(density),
        "total_epochs": epochs,
        "recipe": known.recipe,
    }


def shown_name(value: str) -> str:
    """A model or data set as lists show it: of a function in a file, the file's name without its folders."""
    path, colon, function = value.rpartition(":")
    return f"{path.rpartition('/')[2]}:{function}" if colon and path.endswith(".py") else value


def recipe(config: Mapping[str, Any]) -> str:
    """The recipe of a configuration that the engine has not described: of all settings but the seed and the like."""
    kept = {name: value for name, value in config.items() if name != "seed" and in_recipe(name) and value is not None}
    text = json.dumps(kept, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def default_name(config: Mapping[str, Any], experiment: Experiment | None = None) -> str:
    """What a run without a name is called: method, density, seed, model and data set.

    What tells runs of one experiment apart comes first, since a list may have to cut the rest off.
    """
    known = facets(config, experiment)
    parts = [known["method"].lower()]
    if config.get("sparse") and known["target_density"] is not None:
        parts.append(f"d{known['target_density']:g}")
    if known["seed"] is not None:
        parts.append(f"s{known['seed']}")
    parts += [known["model"], known["data"]]
    return "-".join(part for part in parts if part) or "run"
