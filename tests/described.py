"""Configurations as the store takes them, with their method and recipe, for tests that write settings as a dict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.config.experiments import experiment
from engine.config.run_config import ConfigError, RunConfig


def described(config: Mapping[str, Any]) -> dict[str, Any]:
    """What `db.runs.runs.create` takes of a configuration; one the engine would refuse belongs to no experiment."""
    try:
        known = RunConfig.create({name: value for name, value in config.items() if name in RunConfig.model_fields})
    except ConfigError:
        return {"config": config}
    return {"config": config, "experiment": experiment(known)}
