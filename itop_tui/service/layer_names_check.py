"""Whether the layers that runs name are layers of their models, before they are queued. Torch-free.

The worker checks it too; here it is said to the person who submits, instead of to a log.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from db.errors import StoreError

if TYPE_CHECKING:
    from engine.config.run_config import RunConfig


class LayerNameError(StoreError):
    """A run names layers that its model has not; the message names the nearest, and nothing was queued."""


def check_layer_names(configs: Iterable[RunConfig]) -> None:
    """Refuse runs whose `include`, `exclude` or `layer_densities` do not fit their model.

    Blocks for the seconds in which a helper process imports torch and builds the model, where layers are named at all.

    Raises:
        LayerNameError: With each problem once.
    """
    from engine.config.continuation import LAYERS
    from engine.helpers.plan_client import PlanError, PlanServer

    def names_layers(config: RunConfig) -> bool:
        return config.sparse and any(getattr(config, name) for name in LAYERS)

    def deciding(config: RunConfig) -> tuple[object, ...]:
        settings = (config.model, config.data, config.density, config.sparse_init)
        return (*settings, *(getattr(config, name) for name in LAYERS))

    alike = {deciding(config): config for config in configs if names_layers(config)}
    if not alike:
        return
    problems: list[str] = []
    with PlanServer() as server:
        for config in alike.values():
            try:
                server.ask(config)
            except PlanError as error:  # whatever else is wrong, the worker says
                problems += [line for line in str(error).splitlines() if line.partition(":")[0] in LAYERS]
    if problems:
        raise LayerNameError("\n".join(dict.fromkeys(problems)))
