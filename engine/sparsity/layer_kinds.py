"""Which parameters of a module are weight matrices that are masked by default, and how each is laid out.

A layer is recognised by the type of its module: Linear, convolutions, Bilinear, attention, recurrent networks and their
cells, and the Conv1D of Hugging Face's transformers. Where `weight_norm` or `spectral_norm` computes a weight from
another tensor, that tensor is the one that is masked: where it is zero, the weight is zero.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn
from torch.nn.utils import parametrizations, parametrize
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, *TRANSPOSED)
EMBEDDINGS = (nn.Embedding, nn.EmbeddingBag)

_BY_WEIGHT = (nn.Linear, *CONVOLUTIONS, nn.Bilinear)
_PROJECTIONS = ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight")
_GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}


@dataclass(frozen=True, slots=True)
class MatrixUse:
    """A weight matrix of a module.

    Args:
        module: The module that computes with it.
        attribute: What the module calls it.
        stacked: How many matrices lie in it one below the other: the three projections of attention, the gates of a
            recurrent layer.
        holder: The module that holds the parameter that is masked: the matrix itself, or the tensor behind it.
        held_as: What the holder calls that parameter.
    """

    module: nn.Module
    attribute: str
    stacked: int
    holder: nn.Module
    held_as: str

    @property
    def parameter(self) -> nn.Parameter:
        """The parameter that is masked."""
        parameter = self.holder._parameters[self.held_as]
        assert parameter is not None
        return parameter


def matrices_of(module: nn.Module) -> Iterator[MatrixUse]:
    """Yields the weight matrices of one module, not of its parts, that are masked by default."""
    for attribute, stacked in _matrix_names(module):
        behind = _behind(module, attribute)
        if behind is not None:
            yield MatrixUse(module, attribute, stacked, *behind)


def is_transposed(module: nn.Module | None) -> bool:
    """Says whether the first dimension of a module's weight is its inputs."""
    return isinstance(module, (*TRANSPOSED, *EMBEDDINGS)) or (module is not None and _is_transformers_conv1d(module))


def scale_of_weight_norm(module: nn.Module, attribute: str) -> bool:
    """Says whether a parameter is the g of a weight norm: one number for each row."""
    if isinstance(module, parametrize.ParametrizationList):
        return attribute == "original0" and _is_weight_norm(module[0])
    return any(isinstance(hook, WeightNorm) and attribute == f"{hook.name}_g" for hook in _hooks(module))


def _matrix_names(module: nn.Module) -> Iterator[tuple[str, int]]:
    if isinstance(module, _BY_WEIGHT) or _is_transformers_conv1d(module):
        yield "weight", 1
    elif isinstance(module, nn.MultiheadAttention):
        for name in _PROJECTIONS:
            yield name, 3 if name == "in_proj_weight" else 1
    elif isinstance(module, nn.RNNBase):
        gates = _GATES.get(module.mode, 1)
        for name in module._flat_weights_names:
            if name.startswith("weight_"):
                yield name, 1 if name.startswith("weight_hr") else gates
    elif isinstance(module, nn.RNNCellBase):
        gates = 4 if isinstance(module, nn.LSTMCell) else 3 if isinstance(module, nn.GRUCell) else 1
        for name in ("weight_ih", "weight_hh"):
            yield name, gates


def _behind(module: nn.Module, attribute: str) -> tuple[nn.Module, str] | None:
    """Returns where the parameter behind a weight is held; None where the weight is not zero where that is."""
    holder, held_as = module, attribute
    if parametrize.is_parametrized(module, attribute):
        holder = getattr(module.parametrizations, attribute)
        if not all(_is_weight_norm(one) or isinstance(one, parametrizations._SpectralNorm) for one in holder):
            return None
        held_as = "original1" if _is_weight_norm(holder[0]) else "original"
    for hook in _hooks(module):
        if isinstance(hook, (WeightNorm, SpectralNorm)) and hook.name == attribute:
            held_as = f"{attribute}_v" if isinstance(hook, WeightNorm) else f"{attribute}_orig"
    return None if holder._parameters.get(held_as) is None else (holder, held_as)


def _hooks(module: nn.Module) -> Iterator[object]:
    yield from module._forward_pre_hooks.values()


def _is_weight_norm(parametrization: nn.Module) -> bool:
    return isinstance(parametrization, parametrizations._WeightNorm)


def _is_transformers_conv1d(module: nn.Module) -> bool:
    """Recognises transformers' Conv1D, a Linear whose weight is (inputs, outputs), without importing it."""
    if isinstance(module, _BY_WEIGHT) or not any(kind.__name__ == "Conv1D" for kind in type(module).__mro__):
        return False
    behind, bias = _behind(module, "weight"), module._parameters.get("bias")
    weight = behind and behind[0]._parameters[behind[1]]
    if weight is None or weight.dim() != 2:
        return False
    outputs = weight.shape[1]
    return getattr(module, "nf", outputs) == outputs and (bias is None or bias.numel() == outputs)
