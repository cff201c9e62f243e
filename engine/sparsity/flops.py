"""FLOPs of a forward pass and of training, dense and sparse, from the true layer shapes and masks.

A multiply and an add count as two. Linear layers and convolutions are counted; biases, norms, activations and
pooling, a per cent or so of the whole, are not, as in the published tables. A zero weight costs nothing: these are
the FLOPs that the mathematics needs, not those that a dense kernel spends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from engine.sparsity.growth import GROWTH
from engine.sparsity.layers import MASKABLE, TRANSPOSED, unwrap
from engine.sparsity.registry import unknown_value
from engine.sparsity.sparsity_config import SparsityConfig

METHODS = ("dense", "static", "SET", "SNFS", "RigL", "GMP")
"""Methods whose training FLOPs are known; `training_flops` takes growth rules' names as well."""


@dataclass(frozen=True, slots=True)
class LayerFlops:
    """One layer's forward pass on one sample.

    Args:
        layer: Name of its weight.
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
    """A forward pass on one sample, layer by layer. A layer whose weight is used twice stands here twice."""

    per_layer: tuple[LayerFlops, ...]

    @property
    def dense_forward(self) -> int:
        """FLOPs with all weights, f_D."""
        return sum(layer.dense for layer in self.per_layer)

    @property
    def forward(self) -> float:
        """FLOPs with the active weights, f_S."""
        return sum(layer.forward for layer in self.per_layer)

    @property
    def ratio(self) -> float:
        """f_S / f_D; 1 for a model without any counted layer."""
        return self.forward / self.dense_forward if self.dense_forward else 1.0

    def at(self, masks: Mapping[str, Tensor | float]) -> FlopsReport:
        """Returns the same pass with other masks or densities, without running the model again."""
        densities = _densities(masks)
        layers = (LayerFlops(one.layer, one.dense, densities.get(one.layer, 1.0)) for one in self.per_layer)
        return FlopsReport(tuple(layers))


def count(
    model: nn.Module, inputs: Sequence[int] | Tensor, masks: Mapping[str, Tensor | float] | None = None
) -> FlopsReport:
    """Counts a forward pass of one sample.

    The model runs once on the meta device, so nothing is computed and nothing of it changes; where a model cannot (it
    makes tensors on a device of its own choice), it runs for real.

    Args:
        model: Any module, on any device.
        inputs: Shape of one sample without the batch dimension, or a tensor to use as the input, with a batch of one.
        masks: Name of a weight → its mask, or its density. Layers that are not named count as dense.

    Returns:
        The FLOPs of every Linear and convolution in the order of their use.
    """
    model = unwrap(model)
    calls: list[tuple[str, int]] = []
    names: dict[int, str] = {}
    handles = []
    for path, module in model.named_modules():
        if isinstance(module, MASKABLE):
            own = f"{path}.weight" if path else "weight"
            name = names.setdefault(id(module.weight), own)
            handles.append(module.register_forward_hook(_Counter(name, calls)))
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        _run(model, inputs, calls)
    finally:
        for handle in handles:
            handle.remove()
        for module in training:
            module.training = True
    return FlopsReport(tuple(LayerFlops(name, flops, 1.0) for name, flops in calls)).at(masks or {})


class _Counter:
    """A forward hook that notes a layer's FLOPs."""

    def __init__(self, name: str, calls: list[tuple[str, int]]) -> None:
        self._name = name
        self._calls = calls

    def __call__(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        weight = module.weight
        assert isinstance(weight, Tensor)
        if isinstance(module, nn.Linear):
            uses = output.numel() // module.out_features
        elif isinstance(module, TRANSPOSED):  # each weight is applied at every place of its input
            uses = inputs[0].numel() // module.in_channels
        else:
            assert isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Conv3d))
            uses = output.numel() // module.out_channels
        self._calls.append((self._name, 2 * weight.numel() * uses))


@torch.no_grad()
def _run(model: nn.Module, inputs: Sequence[int] | Tensor, calls: list[tuple[str, int]]) -> None:
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    first = next((tensor for tensor in tensors.values() if tensor.is_floating_point()), torch.zeros(()))
    sample = inputs if isinstance(inputs, Tensor) else torch.zeros((1, *inputs), dtype=first.dtype, device="meta")
    try:
        functional_call(model, {name: tensor.to("meta") for name, tensor in tensors.items()}, (sample.to("meta"),))
    except (RuntimeError, NotImplementedError):
        calls.clear()
        real = inputs if isinstance(inputs, Tensor) else torch.zeros_like(sample, device=first.device)
        model(real)


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
