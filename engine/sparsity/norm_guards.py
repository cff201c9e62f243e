"""Weight norm and spectral norm of weights that may be zero.

Torch's own divide by a norm: by that of a row without an active weight, or of a matrix whose weights have all just
grown, the result is 0/0. The guarded forms give zero there, and gradients of a moderate size, so that such a row can
grow again. Where no norm is zero they compute what torch's do.

They are subclasses that a module's own objects become, so that states, copies and `remove_weight_norm` stay the same.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.nn.utils import parametrizations
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm


def guard_norms(model: nn.Module) -> None:
    """Makes every weight norm and spectral norm in a model give zero, not NaN, where what they divide by is zero.

    `Masking` does so itself. Call it for a model without `Masking` that the weights of a masked one are loaded into.
    """
    for module in model.modules():
        _become(module, parametrizations._WeightNorm, GuardedWeightNorm)
        _become(module, parametrizations._SpectralNorm, GuardedSpectralNorm)
        for hook in module._forward_pre_hooks.values():
            _become(hook, WeightNorm, GuardedWeightNormHook)
            _become(hook, SpectralNorm, GuardedSpectralNormHook)


def _become(one: Any, kind: type, guarded: type) -> None:
    if type(one) is kind:
        one.__class__ = guarded


class GuardedWeightNorm(parametrizations._WeightNorm):
    """`torch.nn.utils.parametrizations.weight_norm` for rows that may be zero."""

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        """Returns g · v / ‖v‖, and 0 for a row of zeros."""
        return normalised_rows(weight_v, weight_g, self.dim)


class GuardedWeightNormHook(WeightNorm):
    """`torch.nn.utils.weight_norm` for rows that may be zero."""

    def compute_weight(self, module: nn.Module) -> Tensor:
        """Returns g · v / ‖v‖, and 0 for a row of zeros."""
        return normalised_rows(getattr(module, f"{self.name}_v"), getattr(module, f"{self.name}_g"), self.dim)


class GuardedSpectralNorm(parametrizations._SpectralNorm):
    """`torch.nn.utils.parametrizations.spectral_norm` for a matrix that may be zero."""

    def forward(self, weight: Tensor) -> Tensor:
        """Returns W / σ, and 0 for a matrix of zeros."""
        if weight.ndim == 1:
            return normalize(weight, dim=0, eps=self.eps)
        matrix = self._reshape_weight_to_matrix(weight)
        if self.training:
            _start_again_if_lost(self._v, matrix)
            self._power_method(matrix, self.n_power_iterations)
        # Clones, as torch's own: a second forward before backward changes the buffers.
        left = self._u.clone(memory_format=torch.contiguous_format)
        right = self._v.clone(memory_format=torch.contiguous_format)
        return _divided(weight, torch.vdot(left, torch.mv(matrix, right)))


class GuardedSpectralNormHook(SpectralNorm):
    """`torch.nn.utils.spectral_norm` for a matrix that may be zero."""

    def compute_weight(self, module: nn.Module, do_power_iteration: bool) -> Tensor:
        """Returns W / σ, and 0 for a matrix of zeros."""
        weight = getattr(module, f"{self.name}_orig")
        left, right = getattr(module, f"{self.name}_u"), getattr(module, f"{self.name}_v")
        matrix = self.reshape_weight_to_matrix(weight)
        if do_power_iteration:
            with torch.no_grad():
                _start_again_if_lost(left, matrix.t())
                for _ in range(self.n_power_iterations):
                    right = normalize(torch.mv(matrix.t(), left), dim=0, eps=self.eps, out=right)
                    left = normalize(torch.mv(matrix, right), dim=0, eps=self.eps, out=left)
            left = left.clone(memory_format=torch.contiguous_format)
            right = right.clone(memory_format=torch.contiguous_format)
        return _divided(weight, torch.dot(left, torch.mv(matrix, right)))


def normalised_rows(direction: Tensor, scale: Tensor, dim: int) -> Tensor:
    """Returns scale · direction / ‖direction‖, the norm over all dimensions but one; 0 where that norm is 0.

    A row of zeros has no direction. It is divided by the mean norm of the other rows, so that its gradient is of their
    size.

    Args:
        direction: v, of the weight's shape.
        scale: g, one number for each row, in a shape that broadcasts.
        dim: The dimension of the rows; -1: the norm is over everything.
    """
    with torch.no_grad():
        norms = torch.norm_except_dim(direction, 2, dim)
        dead = norms == 0
        others = norms.sum() / (~dead).sum().clamp_min(1)
        divisor = torch.where(others > 0, others, torch.ones_like(others))
    alive = torch._weight_norm(torch.where(dead, torch.ones_like(direction), direction), scale, dim)
    return torch.where(dead, direction * (scale / divisor), alive)


def _divided(weight: Tensor, sigma: Tensor) -> Tensor:
    return weight / torch.where(sigma == 0, torch.ones_like(sigma), sigma)


@torch.no_grad()
def _start_again_if_lost(vector: Tensor, matrix: Tensor) -> None:
    """Replaces, in place, a vector that a matrix maps to zero: from there the power method finds nothing any more.

    That happens where the weights in the vector's rows died, or where all weights were zero at a step before.

    Args:
        vector: Where the power method is, of size n.
        matrix: Of shape (m, n).
    """
    lost = torch.mv(matrix, vector).count_nonzero() == 0
    anywhere = torch.arange(1, vector.numel() + 1, device=vector.device, dtype=torch.float32).sin().to(vector.dtype)
    vector.copy_(torch.where(lost, normalize(anywhere, dim=0), vector))
