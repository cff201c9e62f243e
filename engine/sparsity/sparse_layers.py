"""The layers of a `Masking` that are computed from their active weights alone, and what keeps them in step with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from engine.sparsity.execution import (
    LayerExecution,
    canonical_execution,
    faster,
    feature_major_outputs,
    linear_layers,
    measured,
)
from engine.sparsity.layers import Layer, Maskable, Modules, module_list
from engine.sparsity.optimizer_state import first_values
from engine.sparsity.sparse_linear import Keeping, SparseLinear, dense_state, make_dense, make_sparse

__all__ = ["SparseLayers", "all_dense"]

_FALLEN = 0.7
"""By what factor a density falls before `auto` measures a layer again."""


def all_dense(modules: Modules, optimizer: Optimizer) -> None:
    """Makes every sparse layer of a model dense again, as a model has to be that is masked again."""
    for root in module_list(modules):
        for module in root.modules():
            if isinstance(module, SparseLinear):
                make_dense(module, optimizer)


class SparseLayers:
    """Chooses how each layer is computed, and makes the sparse ones.

    Args:
        modules: The model, all of it dense.
        maskable: Its masked parameters.
        layers: The same with their masks.
        optimizer: What trains them; its `state_dict` then gives the state of sparse layers as that of masked ones.
        execution: One of `EXECUTIONS`.
        batch_size: Samples in a batch, for `auto`'s measurements.
        reads_momentum: Whether a rule ranks inactive weights by momentum.

    Raises:
        ValueError: There is no such execution.
    """

    def __init__(
        self,
        modules: Modules,
        maskable: Sequence[Maskable],
        layers: Sequence[Layer],
        optimizer: Optimizer,
        *,
        execution: str,
        batch_size: int,
        reads_momentum: bool,
    ) -> None:
        self.execution = canonical_execution(execution)
        self.ways = {layer.name: LayerExecution("masked") for layer in layers}
        self._modules, self._layers, self._optimizer = modules, layers, optimizer
        self._batch_size = batch_size
        self._keeping = Keeping()
        self._loaded = False
        self._measured_at: dict[str, float] = {}
        self._linear: dict[str, nn.Linear] = {}
        if execution == "masked":
            return
        found = linear_layers(modules, list(maskable), optimizer, reads_momentum=reads_momentum)
        self._linear = {name: module for name, module in found.items() if isinstance(module, nn.Linear)}
        self.ways |= {name: LayerExecution("masked", why=why) for name, why in found.items() if isinstance(why, str)}
        optimizer.register_state_dict_post_hook(self._as_masked)
        optimizer.register_load_state_dict_post_hook(self._note_load)
        if execution == "auto":
            self._measure(layers)
        else:
            self.ways |= dict.fromkeys(self._linear, LayerExecution("sparse"))
        self._follow_ways()

    @property
    def keeps(self) -> bool:
        """Whether backward keeps what dense gradients are computed from."""
        return self._keeping.on

    def keep(self, on: bool) -> None:
        """Says whether the backward passes of the coming step are to keep what dense gradients are computed from."""
        self._keeping.on, self._keeping.scale = on, 1.0

    def scale(self, factor: float) -> None:
        """Says that all gradients of this step were multiplied by a factor since backward."""
        self._keeping.scale *= factor

    def unscaled(self, scaler: torch.amp.GradScaler) -> None:
        """Says that a scaler, before the optimizer's step, divides gradients by its scale."""
        if self.keeps and self.any_sparse:
            self.scale(1.0 / scaler.get_scale())

    @property
    def any_sparse(self) -> bool:
        """Whether any layer is sparse."""
        return any(layer.sparse is not None for layer in self._layers)

    def settle(self) -> None:
        """Brings what was loaded into the layers, of other masks or of masked layers, in line with the masks."""
        for layer in self._layers:
            if layer.sparse is not None and (self._loaded or layer.sparse.compact.loaded is not None):
                layer.sparse.move(layer.active, self._optimizer)
        self._loaded = False

    def after_update(self) -> None:
        """Measures again, under `auto`, the masked layers whose density has fallen since they were measured."""
        if self.execution != "auto":
            return
        fallen = [
            layer
            for layer in self._layers
            if layer.sparse is None
            and layer.name in self._linear
            and layer.nonzeros / layer.size < _FALLEN * self._measured_at[layer.name]
        ]
        if fallen:
            self._measure(fallen)
            self._follow_ways()

    def state_dict(self) -> dict[str, dict[str, Any]]:
        """Returns how each layer is computed."""
        return {name: {"way": one.way, "speed": one.speed, "why": one.why} for name, one in self.ways.items()}

    def load_state_dict(self, state: Mapping[str, Mapping[str, Any]]) -> None:
        """Takes over, under `auto`, what was chosen, so that a training that is resumed computes as it did."""
        if self.execution == "auto":
            for name, one in state.items():
                if name in self._linear and one["speed"] is not None:
                    self.ways[name] = LayerExecution(**one)
            self._follow_ways()

    def _measure(self, layers: Sequence[Layer]) -> None:
        for layer in layers:
            if layer.name not in self._linear:
                continue
            speed = measured(layer.parameter, layer.active, self._batch_size, needs_input_gradient=layer.position > 0)
            self._measured_at[layer.name] = layer.nonzeros / layer.size
            way = "sparse" if faster(speed) else "masked"
            self.ways[layer.name] = LayerExecution(way, speed, "" if way == "sparse" else "measured to be faster")

    def _follow_ways(self) -> None:
        """Makes layers sparse or dense as was chosen."""
        chosen = {name: module for name, module in self._linear.items() if self.ways[name].way == "sparse"}
        feature_major = feature_major_outputs(self._modules, chosen)
        for layer in self._layers:
            if layer.name in chosen and layer.sparse is None:
                module = chosen[layer.name]
                layer.sparse = make_sparse(module, layer.active, self._optimizer, self._keeping)
            elif layer.name not in chosen and layer.sparse is not None:
                make_dense(layer.sparse, self._optimizer)
                layer.sparse = None
            if layer.sparse is not None:
                layer.sparse.compact.feature_major = layer.name in feature_major

    def _note_load(self, optimizer: Optimizer) -> None:
        self._loaded = True

    def _as_masked(self, optimizer: Optimizer, state: dict[str, Any]) -> dict[str, Any]:
        """Returns an optimizer's state as that of masked layers; the optimizer's own stays as it is."""
        sparse = {id(layer.parameter): layer.sparse for layer in self._layers if layer.sparse is not None}
        places = {
            place: sparse[id(parameter)]
            for group, packed in zip(optimizer.param_groups, state["param_groups"], strict=True)
            for parameter, place in zip(group["params"], packed["params"], strict=True)
            if id(parameter) in sparse
        }
        kept = {
            place: dense_state(places[place], one, first_values(optimizer, places[place].values, one))
            if place in places and isinstance(places[place], SparseLinear)
            else one
            for place, one in state["state"].items()
        }
        return {**state, "state": kept}
