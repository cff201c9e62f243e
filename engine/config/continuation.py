"""What a run that resumes from a checkpoint may change, and which schedules a change moves.

Torch-free, so that it is refused or reported before anything is queued.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from engine.config.field_info import RESUMABLE
from engine.config.run_config import ConfigError, RunConfig

__all__ = ["LAYERS", "as_meant", "differences", "recomputed", "refusal", "resumable"]

LAYERS = ("include", "exclude", "layer_densities")
"""The settings by which the masked layers are chosen; a checkpoint that does not name them was made without any."""

_WEIGHTS = ("model",)
_MASKS = ("density", "dense_first_layer", "sparse_init", *LAYERS)


def as_meant(theirs: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return settings that a checkpoint was written under, in the words of this version.

    `decay_frequency` was a step decay before there was `lr_drop_every`; today it has no effect.
    """
    if "lr_drop_every" in theirs or theirs.get("decay_frequency") is None:
        return theirs
    return {**theirs, "lr_drop_every": theirs["decay_frequency"], "decay_frequency": None}


def refusal(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> str | None:
    """Say in one line why settings cannot be resumed from a checkpoint, or return None where they can.

    The weights belong to one model, and masks keep the density and the distribution they were made with. Whether the
    steps of an epoch agree shows only when the data is there.

    Args:
        mine: The settings to resume with.
        theirs: Those that the checkpoint was written under; what they do not name is taken to agree, `LAYERS` apart.
    """
    both_sparse = bool(mine["sparse"] and theirs.get("sparse"))
    for name in (*_WEIGHTS, *(_MASKS if both_sparse else ())):
        was = theirs.get(name, None if name in LAYERS else mine[name])
        if was != mine.get(name):
            return (
                f"{name} = {mine[name]!r}: cannot be changed where a run resumes from a checkpoint, whose weights and "
                f"masks were made with {was!r}; start a new run for it"
            )
    return None


def resumable(changes: Iterable[str]) -> str | None:
    """Say in one line why settings cannot be changed where a run is resumed, or return None where they can.

    A run is one experiment: what may change is its length, and what changes no result.

    Args:
        changes: The names of the settings that would change.
    """
    fixed = [name for name in changes if name not in RESUMABLE]
    if not fixed:
        return None
    return (
        f"{', '.join(fixed)}: cannot be changed where a run is resumed: its steps so far were trained with the old "
        f"values; a resumed run may change {', '.join(RESUMABLE)}"
    )


def recomputed(mine: RunConfig, theirs: RunConfig) -> list[str]:
    """Say which schedules another length moves, a sentence each; nothing where the length stays.

    Args:
        mine: The settings to resume with.
        theirs: Those the run had.
    """
    if mine.total_epochs == theirs.total_epochs:
        return []
    steps = _steps_an_epoch(mine)

    def at(share: float, config: RunConfig) -> str:
        epochs = share * config.total_epochs
        return f"epoch {epochs:g}" if steps is None else f"step {int(share * config.total_epochs * steps):,}"

    moved = []
    if mine.lr_drop_every is None:
        drops = " and ".join(at(share, mine) for share in (0.5, 0.75))
        before = " and ".join(at(share, theirs) for share in (0.5, 0.75))
        moved.append(f"the learning rate drops after {drops} (it was {before})")
    moves = mine.sparse and not mine.fix
    if moves and mine.sparse_init == "GMP":
        if mine.last_update is None:
            moved.append(f"the density is reached by {at(1, mine)} (it was {at(1, theirs)})")
    elif moves and mine.death != "threshold" and mine.decay_schedule != "constant":
        moved.append(f"the death rate falls until {at(1, mine)}, by its {mine.decay_schedule} (it was {at(1, theirs)})")
    return moved


def differences(mine: RunConfig, theirs: Mapping[str, Any]) -> list[str]:
    """Say what is different from the settings that a checkpoint was written under, and which schedules that moves.

    Args:
        mine: The settings to resume with.
        theirs: Those of the checkpoint; settings that this version does not know are ignored.
    """
    theirs = as_meant(theirs)
    try:
        before = RunConfig.create({name: value for name, value in theirs.items() if name in RunConfig.model_fields})
    except ConfigError:  # an older version allowed what this one does not
        return []
    changed = [f"{name}: {old} → {new}" for name, (new, old) in mine.changes(before).items()]
    return [*changed, *(f"recomputed: {sentence}" for sentence in recomputed(mine, before))]


def _steps_an_epoch(config: RunConfig) -> int | None:
    planned = config.with_changes(max_steps=None).planned_steps()
    return None if planned is None else planned // config.total_epochs
