"""Which neurons of a perceptron can pass anything on: those that are fed and read, and those on a path through it.

Neurons are counted along active weights alone: a bias makes a neuron constant, not alive.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from engine.sparsity.layers import Layer, Modules, module_list

__all__ = ["alive_and_percolated", "is_perceptron"]

_BETWEEN = (nn.Flatten, nn.Identity, nn.BatchNorm1d, nn.LayerNorm, nn.Dropout, nn.AlphaDropout)
_ACTIVATIONS = (
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish, nn.Tanh,
    nn.Sigmoid, nn.Hardtanh, nn.Hardswish, nn.Softplus, nn.Softmax, nn.LogSoftmax,
)  # fmt: skip


def is_perceptron(modules: Modules, layers: Sequence[Layer]) -> bool:
    """Says whether a model is a sequence of Linear layers, each reading what the one before it puts out.

    Only of an `nn.Sequential` is that known: any other module may have connections that its parts do not show.

    Args:
        modules: The model.
        layers: Its masked layers, which must be all the Linear layers there are.
    """
    parts = module_list(modules)
    if len(parts) != 1:
        return False
    linear = []
    for part in _sequence(parts[0]):
        if isinstance(part, nn.Linear):
            linear.append(part)
        elif not isinstance(part, (*_BETWEEN, *_ACTIVATIONS)):
            return False
    return (
        len(linear) == len(layers) > 0
        and all(part.weight is layer.parameter for part, layer in zip(linear, layers, strict=True))
        and all(one.out_features == other.in_features for one, other in pairwise(linear))
    )


def _sequence(module: nn.Module) -> Iterator[nn.Module]:
    if type(module) is nn.Sequential:
        for part in module:
            yield from _sequence(part)
    else:
        yield module


def alive_and_percolated(layers: Sequence[Layer]) -> Tensor:
    """Counts the outputs of each layer of a perceptron that are alive, and those that percolate.

    An output is alive where an active weight feeds it and an active weight of the next layer reads it; it percolates
    where it lies on a path of active weights from an input of the network to an output. An output of the last layer
    is read by definition.

    Args:
        layers: The layers, in order; the outputs of one are the inputs of the next.

    Returns:
        Shape (layers, 2), on the device of the layers; nothing is read from it.
    """
    device = layers[0].active.device
    ends = [layer.geometry.ends(layer.active) for layer in layers]
    fed = [_marked(outputs, layer.geometry.outputs) for layer, (_, outputs) in zip(layers, ends, strict=True)]
    last = torch.ones(layers[-1].geometry.outputs, dtype=torch.bool, device=device)
    read = [_marked(inputs, one.geometry.inputs) for one, (inputs, _) in zip(layers[1:], ends[1:], strict=True)]
    read.append(last)
    reached, forward = torch.ones(layers[0].geometry.inputs, dtype=torch.bool, device=device), []
    for layer, (inputs, outputs) in zip(layers, ends, strict=True):
        reached = _marked(outputs, layer.geometry.outputs, reached.index_select(0, inputs))
        forward.append(reached)
    leads, backward = last, [last]
    for layer, (inputs, outputs) in zip(reversed(layers[1:]), reversed(ends[1:]), strict=True):
        leads = _marked(inputs, layer.geometry.inputs, leads.index_select(0, outputs))
        backward.insert(0, leads)
    return torch.stack(
        [
            torch.stack([(into & out).count_nonzero(), (from_input & to_output).count_nonzero()])
            for into, out, from_input, to_output in zip(fed, read, forward, backward, strict=True)
        ]
    )


def _marked(places: Tensor, total: int, where: Tensor | None = None) -> Tensor:
    """Marks places, or those of them where a condition holds, without waiting for the device."""
    marks = torch.zeros(total + 1, dtype=torch.bool, device=places.device)
    if where is not None:
        places = torch.where(where, places, total)  # the others mark one place that is cut off
    return marks.index_fill_(0, places, True)[:total]
