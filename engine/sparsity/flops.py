"""FLOPs of a forward pass and of training, dense and sparse, from the true layer shapes and masks.

A multiply and an add count as two. Products of matrices and convolutions are counted, wherever they are made; biases,
norms, activations and pooling, a per cent or so of the whole, are not, as in the published tables and in torch's own
counter. A zero weight costs nothing: these are the FLOPs that the mathematics needs, not those that a dense kernel
spends.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from engine.sparsity.growth import GROWTH
from engine.sparsity.layers import unwrap
from engine.sparsity.registry import unknown_value
from engine.sparsity.sparsity_config import SparsityConfig
from engine.sparsity.trial_pass import Inputs, products_of, weight_names

METHODS = ("dense", "static", "SET", "SNFS", "RigL", "GMP")
"""Methods whose training FLOPs are known; `training_flops` takes growth rules' names as well."""


@dataclass(frozen=True, slots=True)
class LayerFlops:
    """One use of a layer's weight in a forward pass on one sample.

    Args:
        layer: Name of the weight.
        dense: FLOPs with all weights.
        density: Share of its weights that is active.
    """

    layer: str
    dense: int
    density: float

    @property
    def forward(self) -> float:
        """FLOPs with the active weights alone."""
        return self.dense * self.density


@dataclass(frozen=True, slots=True)
class FlopsReport:
    """A forward pass on one sample, product by product. A layer whose weight is used twice stands here twice.

    Args:
        per_layer: What has a parameter as a factor, in the order of use.
        without_parameter: FLOPs of products of two activations (attention's QKᵀ and its product with V), which no
            mask reduces.
        names: Each name of a parameter → the one it stands under in `per_layer`; a tied one has several.
    """

    per_layer: tuple[LayerFlops, ...]
    without_parameter: int = 0
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def dense_forward(self) -> int:
        """FLOPs with all weights, f_D."""
        return self.without_parameter + sum(layer.dense for layer in self.per_layer)

    @property
    def forward(self) -> float:
        """FLOPs with the active weights, f_S."""
        return self.without_parameter + sum(layer.forward for layer in self.per_layer)

    @property
    def ratio(self) -> float:
        """f_S / f_D; 1 for a model without any product."""
        return self.forward / self.dense_forward if self.dense_forward else 1.0

    def at(self, masks: Mapping[str, Tensor | float]) -> FlopsReport:
        """Returns the same pass with other masks or densities, without running the model again.

        Of a weight that is used in parts (attention's packed in-projection, split into three), each part counts with
        the density of the whole: the sum is right where each part is used equally often.

        Raises:
            ValueError: A name is no parameter's of the model.
        """
        for name in masks:
            if name not in self.names:
                raise unknown_value("masks", name, self.names)
        densities = {self.names[name]: density for name, density in _densities(masks).items()}
        layers = (LayerFlops(one.layer, one.dense, densities.get(one.layer, 1.0)) for one in self.per_layer)
        return replace(self, per_layer=tuple(layers))


def count(
    model: nn.Module, inputs: Inputs, masks: Mapping[str, Tensor | float] | None = None, *, samples: int = 1
) -> FlopsReport:
    """Counts a forward pass, in evaluation mode, of one sample.

    The model's copy runs once on the meta device, so nothing is computed and nothing of the model changes; where a
    model cannot (it looks at the values of its tensors), it runs for real.

    Args:
        model: Any module, on any device.
        inputs: Shape of one sample without the batch dimension; or what the model is called with: a tensor, a list of
            tensors, or a mapping of keyword arguments.
        masks: Name of a weight → its mask, or its density. Layers that are not named count as dense.
        samples: Number of samples that given tensors hold; the FLOPs are divided by it.

    Returns:
        The FLOPs of every product in the order of their use.

    Raises:
        ValueError: A name in `masks` is no parameter's of the model, or `samples` is less than 1.
    """
    if samples < 1:
        raise ValueError(f"samples = {samples}: must be 1 or more")
    model = unwrap(model)
    layers: list[LayerFlops] = []
    rest = 0
    for product in products_of(model, inputs, samples):
        flops = product.flops // samples
        for name, share in product.shares.items():
            part = flops if share == 1.0 else round(flops * share)
            layers.append(LayerFlops(name, part, 1.0))
            rest -= part
        rest += flops
    return FlopsReport(tuple(layers), rest, weight_names(model)).at(masks or {})


def _densities(masks: Mapping[str, Tensor | float]) -> dict[str, float]:
    """Reads all masks' counts in one transfer a device."""
    densities = {name: float(mask) for name, mask in masks.items() if not isinstance(mask, Tensor)}
    tensors = {name: mask for name, mask in masks.items() if isinstance(mask, Tensor)}
    if tensors:
        device = next(iter(tensors.values())).device
        active = torch.stack([mask.count_nonzero().to(device) for mask in tensors.values()]).tolist()
        sizes = [mask.numel() for mask in tensors.values()]
        densities |= {name: part / size for name, part, size in zip(tensors, active, sizes, strict=True)}
    return densities


def method_of(config: SparsityConfig) -> str:
    """Names the method whose training costs what this configuration's does, one of `METHODS`.

    What counts is when the dense gradient is needed: never (static, SET, GMP), at updates (RigL), or at every step,
    for a dense momentum (SNFS).
    """
    if config.distribution == "gmp":
        return "GMP"
    if not config.updates_masks:
        return "static"
    needs = GROWTH.needs(config.growth)
    if "momentum" in needs:
        return "SNFS"
    return "RigL" if "gradient" in needs else "SET"


def training_flops(method: str, dense_forward: float, sparse_forward: float, update_frequency: int) -> float:
    """FLOPs of training on one sample, forward and backward.

    dense 3 f_D; static, SET and GMP 3 f_S (of GMP's f_S at that moment); SNFS 2 f_S + f_D; RigL
    (3 f_S · ΔT + 2 f_S + f_D) / (ΔT + 1).

    Args:
        method: One of `METHODS`, with or without "-ITOP", or "growth+death" of rules' names, where the growth
            decides.
        dense_forward: f_D.
        sparse_forward: f_S.
        update_frequency: ΔT.

    Raises:
        ValueError: The method is not known.
    """
    f_d, f_s = dense_forward, sparse_forward
    match _cost_class(method):
        case "dense":
            return 3 * f_d
        case "snfs":
            return 2 * f_s + f_d
        case "rigl":
            return (3 * f_s * update_frequency + 2 * f_s + f_d) / (update_frequency + 1)
        case _:
            return 3 * f_s


def _cost_class(method: str) -> str:
    name = method.split("+")[0].strip()
    if name in GROWTH:
        needs = GROWTH.needs(name)
        return "snfs" if "momentum" in needs else "rigl" if "gradient" in needs else "set"
    folded = name.casefold().removesuffix("-itop")
    if folded not in {known.casefold() for known in METHODS}:
        raise unknown_value("method", method, [*METHODS, *GROWTH])
    return folded
