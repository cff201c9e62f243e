"""The whole state of a training, out of a trainer and into one.

Besides weights, optimizer, masks and generators these are the few numbers without which a run that was cut in two
would differ from one that was not: the place in the epoch, the epoch's running sums, the best so far.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from torch import Tensor

from engine.config import continuation
from engine.data.order import derive_seed
from engine.training import checkpoint
from engine.training.outcome import Best
from engine.training.results import EpochSums
from engine.training.setup import seed_everything

if TYPE_CHECKING:
    from engine.sparsity import Masking
    from engine.training.training import Training

__all__ = ["TrainingError", "capture", "copy_state", "restore"]


class TrainingError(Exception):
    """A state does not fit the configuration that is to resume from it; the message is one line."""


def capture(trainer: Training) -> dict[str, Any]:
    """Return everything a run needs to resume from here exactly, as tensors and plain values.

    It must be called between two steps, with all results delivered.
    """
    best: dict[str, Any] | None = None
    if trainer.best is not None:
        best = {"accuracy": trainer.best.accuracy, "step": trainer.best.step, "epoch": trainer.best.epoch}
        # Just after the best epoch the best weights are the present ones: they are not stored twice.
        best["weights"] = None if trainer.best.step == trainer.step else trainer.best.weights
    random, *others = trainer.ranks.random_states(trainer.device)
    state = {
        "config": trainer.config.as_dict(),
        "step": trainer.step,
        "epoch": trainer.epoch,
        "batch": trainer.batch,
        "steps_per_epoch": trainer.steps_per_epoch,
        "sums": asdict(trainer.sums),
        "best": best,
        "flops": trainer.flops.state_dict(),
        "model": trainer.model.state_dict(),
        "optimizer": trainer.optimizer.state_dict(),
        "masking": None if trainer.masking is None else trainer.masking.state_dict(),
        "scaler": trainer.scaler.state_dict(),
        "random": random,
    }
    return {**state, "ranks": others} if others else state


def restore(trainer: Training, state: Mapping[str, Any], *, fork: bool = False) -> None:
    """Resume from a state; the configuration may differ from the one it was saved under.

    Schedules follow the present configuration. Where the optimizer differs it starts from its first state; where the
    seed does, so do the generators.

    Args:
        trainer: One that has not trained yet.
        state: What :func:`capture` returned.
        fork: Whether this is another run, which has seen no validation yet.

    Raises:
        TrainingError: The state does not fit the configuration.
    """
    theirs: Mapping[str, Any] = continuation.as_meant(state["config"])
    mine = trainer.config.as_dict()
    changed = {name for name, value in mine.items() if theirs.get(name, value) != value}
    _refuse_unfit(trainer, state, changed)
    left_dense = _left_dense_by_older_versions(trainer.masking, state)
    if left_dense:
        trainer.mask(left_dense)
    trainer.model.load_state_dict(state["model"])
    # RMSprop makes its momentum buffer only when its state is new.
    new_buffer = mine["optimizer"] == "rmsprop" and mine["momentum"] > 0 and theirs["momentum"] == 0
    if "optimizer" not in changed and not new_buffer:
        groups = trainer.optimizer.param_groups
        own = [{key: value for key, value in group.items() if key not in ("params", "lr")} for group in groups]
        trainer.optimizer.load_state_dict(state["optimizer"])
        for group, settings in zip(trainer.optimizer.param_groups, own, strict=True):
            group.update(settings)  # torch loads the saved settings too; the rate is set at each step
    if trainer.masking is not None and state["masking"] is not None:
        trainer.masking.load_state_dict(state["masking"])
    elif trainer.masking is not None:  # a dense run continues as a sparse one, with the masks made for its weights
        trainer.masking.steps = state["step"]
        trainer.masking.apply()
    if trainer.scaler.is_enabled() and state["scaler"]:
        trainer.scaler.load_state_dict(state["scaler"])
    trainer.step, trainer.epoch, trainer.batch = state["step"], state["epoch"], state["batch"]
    trainer.sums = EpochSums(**state["sums"])
    trainer.flops.load_state_dict(state["flops"])
    best = None if fork else state["best"]
    if best is not None:
        weights = copy_state(state["model"] if best["weights"] is None else best["weights"])
        if not _too_dense(trainer.masking, weights):
            trainer.best = Best(best["accuracy"], best["step"], best["epoch"], weights)
    if "seed" not in changed:
        _restore_random(trainer, state)


def _restore_random(trainer: Training, state: Mapping[str, Any]) -> None:
    """Put the generators where they were on this rank; on one that had none, or others, they start from the step."""
    saved, ranks = [state["random"], *state.get("ranks", ())], trainer.ranks
    if ranks.rank == 0 or ranks.size == len(saved):
        checkpoint.restore_random_state(saved[ranks.rank], trainer.device)
    else:
        seed_everything(derive_seed(trainer.config.seed, "rank", ranks.rank, state["step"]) % 2**32)


def _refuse_unfit(trainer: Training, state: Mapping[str, Any], changed: set[str]) -> None:
    refused = continuation.refusal(trainer.config.as_dict(), state["config"])
    if refused is not None:
        raise TrainingError(refused)
    if state["steps_per_epoch"] != trainer.steps_per_epoch:
        names = sorted(changed & {"batch_size", "accumulate", "valid_split", "data"}) or ["data"]
        raise TrainingError(
            f"{' and '.join(names)}: would make {trainer.steps_per_epoch} steps an epoch, and the checkpoint counts "
            f"{state['steps_per_epoch']}; a run that resumes from a checkpoint has to keep them"
        )


def _left_dense_by_older_versions(masking: Masking | None, state: Mapping[str, Any]) -> list[str]:
    """Return the layers that have a mask today, and had none in the version that wrote a state: they stay dense."""
    if masking is None or state["masking"] is None or not {*continuation.LAYERS}.isdisjoint(state["config"]):
        return []
    return [name for name in masking.masks if name not in state["masking"]["masks"]]


def _too_dense(masking: Masking | None, weights: Mapping[str, Tensor]) -> bool:
    """Whether weights are denser than the network is to be at the end; older versions took such for the best."""
    if masking is None or masking.config.distribution != "gmp":
        return False
    nonzeros = sum(int(weights[name].count_nonzero()) for name in masking.masks)
    return nonzeros > round(masking.config.density * masking.maskable)


def copy_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a copy of a module's state on the CPU."""
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in state.items()}
