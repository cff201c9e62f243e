"""Which experiment a configuration belongs to: its method and its recipe, worked out once and kept by the store."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from typing import Any

from db.runs.facets import Experiment
from engine.config.field_info import in_recipe
from engine.config.run_config import RunConfig

__all__ = ["as_stored", "differing_settings", "experiment", "experiment_key"]


def as_stored(config: RunConfig) -> dict[str, Any]:
    """Return a configuration and its experiment as `db.runs.runs.create` and `requeue_resume` take them."""
    return {"config": config.as_dict(), "experiment": experiment(config)}


def experiment(config: RunConfig) -> Experiment:
    """Return the method's name and the recipe, which the seeds of one experiment share.

    The recipe is made of the settings that differ from the defaults of this version. So a setting that a later version
    adds changes no recipe: runs queued before and after are seeds of one experiment.
    """
    differing = {name: value for name, value in differing_settings(config).items() if in_recipe(name)}
    return Experiment(method=config.method, recipe=hashlib.sha256(_canonical(differing)).hexdigest()[:16])


def experiment_key(config: RunConfig) -> str:
    """Return what two configurations share when all their settings agree, seed included, in this and later versions."""
    defaults = _defaults(RunConfig)
    settings = config.as_dict()
    counted = {name: value for name, value in settings.items() if name in _FIRST or value != defaults[name]}
    return json.dumps(counted, sort_keys=True)


def differing_settings(config: RunConfig) -> dict[str, Any]:
    """Return the settings that differ from their defaults, as plain JSON values."""
    defaults = _defaults(RunConfig)
    return {name: value for name, value in config.as_dict().items() if value != defaults[name]}


@cache
def _defaults(kind: type[RunConfig]) -> dict[str, Any]:
    return kind.defaults()


def _canonical(settings: dict[str, Any]) -> bytes:
    return json.dumps(settings, sort_keys=True, separators=(",", ":")).encode()


# The settings there were when sweeps were first named by a digest of all of them. They stay in the digest even at
# their defaults, so that a sweep queued then has the same name today; later settings count where they differ.
# fmt: off
_FIRST = frozenset({
    "model", "data", "valid_split", "augment", "data_dir", "sparse", "fix", "density", "sparse_init",
    "dense_first_layer", "growth", "death", "redistribution", "death_rate", "decay_schedule", "update_frequency",
    "last_update", "threshold", "optimizer", "lr", "momentum", "nesterov", "l2", "l1", "batch_size",
    "test_batch_size", "accumulate", "epochs", "multiplier", "decay_frequency", "lr_decay", "warmup_epochs",
    "label_smoothing", "clip_norm", "seed", "device", "precision", "channels_last", "compile", "deterministic",
    "loader_workers", "max_steps", "checkpoint_every", "keep_last", "keep_best", "stop_on_nonfinite", "weights",
    "save", "time_limit", "start_epoch", "log_interval",
})
# fmt: on
