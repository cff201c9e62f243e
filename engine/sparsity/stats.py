"""What is known of the masks after an update, per layer and for the whole network.

All counts of an update are gathered on the device as one tensor and read in one transfer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from engine.sparsity.layers import Layer
from engine.sparsity.signal_paths import alive_and_percolated


@dataclass(frozen=True, slots=True)
class LayerStats:
    """One layer after an update.

    Args:
        layer: Name of the parameter.
        position: 0 for the first masked layer.
        shape: Shape of the weight.
        size: Number of weights.
        nonzeros: Active weights after the update.
        pruned: Weights that were active before it and are not after it.
        grown: Weights that are active after it and were not before it. One that died and was chosen again counts in
            neither.
        explored: Weights that are or ever were active.
        overlap_previous: |A∩B| / |A|, A the mask before the update and B the one after it.
        overlap_first: The same with A the first mask.
        survival: Of the weights that the update before this one grew, the share still active; None where there are
            none.
        dead_inputs: Input neurons or channels with no active weight.
        dead_outputs: Output neurons or channels with no active weight.
        alive: Outputs that an active weight feeds and one of the next layer reads; None where the model is not known to
            be a perceptron (see `signal_paths`).
        percolated: Outputs on a path of active weights from an input of the network to an output; None as above.
    """

    layer: str
    position: int
    shape: tuple[int, ...]
    size: int
    nonzeros: int
    pruned: int
    grown: int
    explored: int
    overlap_previous: float
    overlap_first: float
    survival: float | None
    dead_inputs: int
    dead_outputs: int
    alive: int | None = None
    percolated: int | None = None


@dataclass(frozen=True, slots=True)
class UpdateStats:
    """The whole network after an update; the counts are sums over its layers.

    Args:
        update: 1 for the first update; 0 stands for the first mask itself.
        step: Optimizer steps made so far.
        death_rate: ζ of this update.
        pruned: See `LayerStats`.
        grown: See `LayerStats`.
        nonzeros: Active weights after the update.
        density: `nonzeros` as a share of all maskable weights.
        itop_rate: R_s, the share of all maskable weights that are or ever were active.
        overlap_previous: |A∩B| / |A|, A the mask before the update and B the one after it.
        overlap_first: The same with A the first mask.
        survival: Of the weights that the update before this one grew, the share still active; None where there are
            none.
        churn: `grown` as a share of `nonzeros`.
        layers: The same layer by layer.
    """

    update: int
    step: int
    death_rate: float
    pruned: int
    grown: int
    nonzeros: int
    density: float
    itop_rate: float
    overlap_previous: float
    overlap_first: float
    survival: float | None
    churn: float
    layers: tuple[LayerStats, ...]

    def as_dict(self) -> dict[str, Any]:
        """Returns plain dictionaries, lists and numbers."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> UpdateStats:
        """Rebuilds what `as_dict` gave."""
        layers = tuple(LayerStats(**{**layer, "shape": tuple(layer["shape"])}) for layer in values["layers"])
        return cls(**{**values, "layers": layers})


@dataclass(slots=True)
class Change:
    """What an update did to one layer, still on the device.

    Args:
        layer: The layer, its masks and `active` already those after the update.
        before: Number of active weights before the update.
        died: Flat indices of the weights that death chose, whether or not growth chose them again.
        grown: Flat indices of the weights that are newly active.
        survivors_of: Flat indices of the weights grown by the update before this one.
    """

    layer: Layer
    before: int
    died: Tensor
    grown: Tensor
    survivors_of: Tensor


def counts(change: Change) -> Tensor:
    """Gathers what has to be counted on the device: six numbers in one tensor."""
    layer = change.layer
    inputs, outputs = layer.geometry.ends(layer.active)
    return torch.stack(
        [
            layer.mask.index_select(0, change.died).count_nonzero(),
            layer.explored.count_nonzero(),
            layer.first.index_select(0, layer.active).count_nonzero(),
            layer.mask.index_select(0, change.survivors_of).count_nonzero(),
            _reached(inputs, layer.geometry.inputs),
            _reached(outputs, layer.geometry.outputs),
        ]
    )


def _reached(ends: Tensor, total: int) -> Tensor:
    reached = torch.zeros(total, dtype=torch.bool, device=ends.device)
    return reached.index_fill_(0, ends, True).count_nonzero()


def summarise(
    changes: Sequence[Change],
    first_nonzeros: Sequence[int],
    *,
    update: int,
    step: int,
    death_rate: float,
    perceptron: bool = False,
) -> UpdateStats:
    """Reads the counts of all layers in one transfer and works out the shares.

    Args:
        changes: One per layer, in order.
        first_nonzeros: Active weights of each layer in the first mask.
        update: Number of the update.
        step: Optimizer steps made so far.
        death_rate: ζ of the update.
        perceptron: Whether the layers are those of a perceptron; see `signal_paths.is_perceptron`.
    """
    gathered = torch.stack([counts(change) for change in changes])
    if perceptron:
        gathered = torch.cat((gathered, alive_and_percolated([change.layer for change in changes])), dim=1)
    table: list[list[int]] = gathered.tolist()
    layers = []
    previous = first = kept = before_total = fresh_total = 0
    for change, row, first_count in zip(changes, table, first_nonzeros, strict=True):
        regrown, explored, with_first, survived, inputs, outputs, *paths = row
        layer = change.layer
        pruned = change.died.numel() - regrown
        fresh = change.survivors_of.numel()
        layers.append(
            LayerStats(
                layer=layer.name,
                position=layer.position,
                shape=layer.shape,
                size=layer.size,
                nonzeros=layer.nonzeros,
                pruned=pruned,
                grown=change.grown.numel(),
                explored=explored,
                overlap_previous=_share(change.before - pruned, change.before),
                overlap_first=_share(with_first, first_count),
                survival=survived / fresh if fresh else None,
                dead_inputs=layer.geometry.inputs - inputs,
                dead_outputs=layer.geometry.outputs - outputs,
                alive=paths[0] if paths else None,
                percolated=paths[1] if paths else None,
            )
        )
        previous += change.before - pruned
        before_total += change.before
        first += with_first
        kept += survived
        fresh_total += fresh
    size = sum(layer.size for layer in layers)
    nonzeros = sum(layer.nonzeros for layer in layers)
    grown = sum(layer.grown for layer in layers)
    return UpdateStats(
        update=update,
        step=step,
        death_rate=death_rate,
        pruned=sum(layer.pruned for layer in layers),
        grown=grown,
        nonzeros=nonzeros,
        density=nonzeros / size,
        itop_rate=sum(layer.explored for layer in layers) / size,
        overlap_previous=_share(previous, before_total),
        overlap_first=_share(first, sum(first_nonzeros)),
        survival=kept / fresh_total if fresh_total else None,
        churn=_share(grown, nonzeros, empty=0.0),
        layers=tuple(layers),
    )


def _share(part: int, whole: int, *, empty: float = 1.0) -> float:
    return part / whole if whole else empty
