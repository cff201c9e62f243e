"""What the rules read at an update: the dense gradients of its step, and momenta.

Momenta are the optimizer's own. Where it keeps none, or sees only the gradients of active weights, they are followed
here: m ← 0.9 · m + 0.1 · g.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.optim import Optimizer

from engine.sparsity.gradients import GradientMask
from engine.sparsity.layers import Layer
from engine.sparsity.optimizer_state import all_finite, keeps_momentum, momentum_of
from engine.sparsity.sparsity_config import SparsityConfig
from engine.sparsity.update import needs_of

__all__ = ["DECAY", "Evidence"]

_AFTER_BACKWARD = "update after backward() and before zero_grad()"
_EXPECTED = "call expect_update() before the backward pass, which sparse layers otherwise keep nothing of"

DECAY = 0.9
"""Decay of the momentum kept here where a rule needs one and the optimizer keeps none."""


class Evidence:
    """Hands gradients and momenta to the rules that ask for them.

    Args:
        layers: The masked layers.
        optimizer: What trains them.
        config: Names the rules.
        gradients: Where the dense gradients of a step are.
        masked_gradients: Whether the optimizer sees the gradients of active weights only.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        optimizer: Optimizer,
        config: SparsityConfig,
        gradients: GradientMask,
        *,
        masked_gradients: bool,
    ) -> None:
        self._layers, self._optimizer, self._config, self._gradients = layers, optimizer, config, gradients
        self._needs = needs_of(config)
        self._momentum: dict[str, Tensor] = {}
        if self.reads_momentum:
            self._momentum = {
                layer.name: torch.zeros_like(layer.parameter.detach())
                for layer in layers
                if masked_gradients or not keeps_momentum(optimizer, layer.parameter)
            }

    @property
    def reads_gradients(self) -> bool:
        """Whether a rule ranks weights by their gradients."""
        return "gradient" in self._needs

    @property
    def reads_momentum(self) -> bool:
        """Whether masks move and a rule ranks weights by their momenta."""
        return self._config.updates_masks and "momentum" in self._needs

    @property
    def follows(self) -> bool:
        """Whether momenta are kept here."""
        return bool(self._momentum)

    @torch.no_grad()
    def follow(self, *, scaled: bool) -> None:
        """Takes a step's gradients into the momenta kept here; of a step that a gradient scaler skipped, nothing.

        Args:
            scaled: Whether a gradient scaler made the step.
        """
        pairs = [
            (self._momentum[layer.name], gradient)
            for layer in self._layers
            if layer.name in self._momentum and (gradient := self._gradients.dense(layer)) is not None
        ]
        if not pairs:
            return
        if scaled:
            # An overflow anywhere skips the whole step, and a fused optimizer then leaves all its gradients scaled.
            share = (1 - DECAY) * all_finite(self._optimizer, pairs[0][0])
            for kept, gradient in pairs:
                kept.lerp_(gradient.nan_to_num(0, 0, 0), share.to(kept))
        else:
            torch._foreach_mul_([kept for kept, _ in pairs], DECAY)
            torch._foreach_add_([kept for kept, _ in pairs], [gradient for _, gradient in pairs], alpha=1 - DECAY)

    def readable(self) -> bool:
        """Asks the device whether a scaler let steps pass; only where an update, which asks too, is due."""
        if self.reads_gradients and not all_finite(self._optimizer, self._layers[0].parameter.detach()):
            return False
        return "momentum" not in self._needs or any(self._momentum_of(layer) is not None for layer in self._layers)

    @torch.no_grad()
    def provide(self, *, expected: bool) -> None:
        """Hands the rules what they ask for, in each layer's `gradient` and `momentum`.

        Args:
            expected: Whether sparse layers kept what their dense gradients are computed from.

        Raises:
            RuntimeError: A rule reads gradients or momenta, and no layer has any.
        """
        if self.reads_gradients:
            for layer in self._layers:
                gradient = self._gradients.dense(layer)
                layer.gradient = gradient.to_dense() if gradient is not None and gradient.is_sparse else gradient
            if all(layer.gradient is None for layer in self._layers):
                sparse = any(layer.sparse is not None for layer in self._layers) and not expected
                how = _EXPECTED if sparse else _AFTER_BACKWARD
                raise RuntimeError(f"{self._rules} read gradients, and there are none: {how}.")
        if "momentum" in self._needs:
            for layer in self._layers:
                layer.momentum = self._momentum_of(layer)
            if all(layer.momentum is None for layer in self._layers):
                raise RuntimeError(f"{self._rules} read momenta, and the optimizer has none yet: step it first.")

    def withdraw(self) -> None:
        """Takes back what the rules have read."""
        for layer in self._layers:
            layer.gradient = layer.momentum = None

    def state_dict(self) -> dict[str, Tensor]:
        """Returns copies of the momenta kept here, by parameter name."""
        return {name: value.clone() for name, value in self._momentum.items()}

    def load_state_dict(self, momenta: Mapping[str, Tensor]) -> None:
        """Loads momenta; those that are not kept here are ignored."""
        for name, value in momenta.items():
            if name in self._momentum:
                self._momentum[name].copy_(value)

    @property
    def _rules(self) -> str:
        """The rules of the configuration, for messages."""
        rules = f"growth {self._config.growth!r} with death {self._config.death!r}"
        return f"{rules} and redistribution {self._config.redistribution!r}"

    def _momentum_of(self, layer: Layer) -> Tensor | None:
        """Returns a layer's momentum, or None where it has none: the one kept here has met no gradient while all 0."""
        kept = self._momentum.get(layer.name)
        if kept is None:
            return momentum_of(self._optimizer, layer.parameter)
        return kept if bool(kept.any()) else None
