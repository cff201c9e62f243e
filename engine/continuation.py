"""What a run that goes on from a checkpoint cannot change; torch-free, so that forks are refused before they queue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["refusal"]

_WEIGHTS = ("model",)
_MASKS = ("density", "dense_first_layer", "sparse_init")


def refusal(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> str | None:
    """Say in one line why settings cannot go on from a checkpoint, or return None where they can.

    The weights belong to one model, and masks keep the density and the distribution they were made with. Whether the
    steps of an epoch agree shows only when the data is there.

    Args:
        mine: The settings to go on with.
        theirs: Those that the checkpoint was written under; what they do not name is taken to agree.
    """
    both_sparse = bool(mine["sparse"] and theirs.get("sparse"))
    for name in (*_WEIGHTS, *(_MASKS if both_sparse else ())):
        if theirs.get(name, mine[name]) != mine[name]:
            return (
                f"{name} = {mine[name]!r}: cannot be changed where a run goes on from a checkpoint, whose weights and "
                f"masks were made with {theirs[name]!r}; start a new run for it"
            )
    return None
