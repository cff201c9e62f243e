"""Gradients as the sparse network has them: without those of its inactive weights.

Backward gives every weight its gradient, inactive ones too, and growth by gradient or momentum reads them. Whatever
adds up over a whole layer must not: a norm to clip by, or an optimizer that looks at rows, columns or the whole matrix.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grads_with_norm_
from torch.optim import Optimizer

from engine.sparsity.layers import Layer

_BY_MATRIX = ("Adafactor", "Muon")
"""Optimizers of torch.optim whose step at one weight depends on the gradients of others in its layer."""


def looks_at_matrices(optimizer: Optimizer) -> bool:
    """Says whether an optimizer would let the gradients of inactive weights reach the active ones."""
    return any(kind.__name__ in _BY_MATRIX for kind in type(optimizer).__mro__)


def clip_by_active_norm(layers: Sequence[Layer], parameters: Iterable[nn.Parameter], max_norm: float) -> Tensor:
    """Scales all gradients so that the norm of those of the sparse network is at most `max_norm`.

    Args:
        layers: The masked layers; all other parameters count whole.
        parameters: The parameters to clip.
        max_norm: The largest 2-norm.

    Returns:
        The norm before clipping, a tensor of one element.
    """
    masked = {id(layer.parameter): layer for layer in layers if layer.room and layer.sparse is None}
    clipped = [parameter for parameter in parameters if parameter.grad is not None]
    norms = []
    for parameter in clipped:
        gradient, layer = parameter.grad, masked.get(id(parameter))
        assert gradient is not None
        counted = gradient if layer is None or gradient.is_sparse else layer.at_active(gradient)
        norms.append(torch.linalg.vector_norm(counted.to_dense() if counted.is_sparse else counted))
    if not norms:
        return torch.zeros(())
    norm: Tensor = torch.linalg.vector_norm(torch.stack([one.to(norms[0].device) for one in norms]))
    clip_grads_with_norm_(clipped, max_norm, norm)
    return norm


class GradientMask:
    """Sets the gradients of inactive weights to zero before an optimizer's step, and keeps the dense ones aside.

    Args:
        layers: The masked layers.
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        self._layers = layers
        self._dense: dict[str, Tensor] = {}

    def hide(self, *, keep: bool) -> None:
        """Masks the gradients in place.

        Args:
            keep: Whether the dense gradients are read later in this step.
        """
        for layer in self._layers:
            gradient = layer.parameter.grad
            if gradient is None or gradient.is_sparse or not layer.room or layer.sparse is not None:
                continue
            if keep:
                self._dense[layer.name] = gradient.clone()
            gradient.masked_fill_(~layer.mask.view(layer.shape), 0.0)

    def keep(self) -> None:
        """Keeps the gradients as backward left them: an optimizer may change them in its step (Nesterov, foreach)."""
        for layer in self._layers:
            gradient = layer.parameter.grad
            if gradient is not None and not gradient.is_sparse:
                self._dense.setdefault(layer.name, gradient.clone())

    def dense(self, layer: Layer) -> Tensor | None:
        """Returns a layer's dense gradient of this step."""
        gradient = self._dense.get(layer.name, layer.parameter.grad)
        return gradient if layer.sparse is None else layer.sparse.dense_gradient(gradient)

    def forget(self) -> None:
        """Ends the step."""
        self._dense.clear()
        for layer in self._layers:
            if layer.sparse is not None:
                layer.sparse.compact.kept.clear()
