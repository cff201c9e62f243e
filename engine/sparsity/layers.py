"""Which parameters are masked, and what a rule may look at in each of them.

Layers are chosen by the type of their module, never by a part of a name (`engine.sparsity.layer_kinds`): the weights of
Linear, convolutions (1d to 3d, transposed or not), Bilinear, attention and recurrent networks. Biases, norms and
embeddings join only where the user names them: an embedding is a table of which each step reads a few rows, and a mask
would leave most words without a part of theirs. What stays dense is counted (`MaskingChoice.dense`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel

from engine.sparsity import name_patterns
from engine.sparsity.flat_access import fill, gather
from engine.sparsity.layer_kinds import (
    CONVOLUTIONS,
    EMBEDDINGS,
    TRANSPOSED,
    MatrixUse,
    is_transposed,
    matrices_of,
    scale_of_weight_norm,
)
from engine.sparsity.optimizer_state import wipe
from engine.sparsity.sparse_linear import SparseLinear
from engine.sparsity.sparsity_config import SparsityConfig

__all__ = [
    "CONVOLUTIONS",
    "MASKABLE",
    "TRANSPOSED",
    "DenseMatrix",
    "Geometry",
    "Layer",
    "Maskable",
    "MaskingChoice",
    "Modules",
    "choose",
    "find_maskable",
    "matrix_users",
    "module_list",
    "parameters_by_name",
    "unwrap",
]

MASKABLE = (nn.Linear, *CONVOLUTIONS)

_COMPILED = "_orig_mod"
"""Under which `torch.compile` holds the module it was given."""

_WRAPPERS = (nn.DataParallel, nn.parallel.DistributedDataParallel, AveragedModel)

Modules = nn.Module | Sequence[nn.Module] | Mapping[str, nn.Module]


@dataclass(frozen=True, slots=True)
class Geometry:
    """How the flat index of a weight maps to the neuron or channel it reads and the one it feeds.

    Args:
        rows: Size of the weight's first dimension.
        columns: Size of its second dimension (1 where there is none).
        kernel: Weights per (row, column) pair.
        groups: Groups of a grouped convolution; rows are split among them in order.
        transposed: Rows are inputs rather than outputs.
        stacked: How many matrices of the same inputs lie one below the other: the projections of attention, the gates
            of a recurrent layer.
        second: Of Bilinear, the number of its second inputs; each weight reads one of them too.
    """

    rows: int
    columns: int
    kernel: int
    groups: int = 1
    transposed: bool = False
    stacked: int = 1
    second: int = 0

    @classmethod
    def of(cls, shape: Sequence[int], module: nn.Module | None = None, stacked: int = 1) -> Geometry:
        """Derives the geometry from the weight's shape and, where it belongs to one, its module.

        Args:
            shape: The weight's.
            module: What computes with it.
            stacked: How many matrices lie in it one below the other.
        """
        if len(shape) < 2:  # one weight per channel: each has an input and an output of its own
            size = shape[0] if shape else 1
            return cls(size, 1, 1, groups=size)
        kernel = 1
        for extent in shape[2:]:
            kernel *= extent
        groups = module.groups if isinstance(module, CONVOLUTIONS) else 1
        second = shape[2] if isinstance(module, nn.Bilinear) and len(shape) == 3 else 0
        return cls(shape[0], shape[1], kernel, groups, is_transposed(module), stacked, second)

    @property
    def inputs(self) -> int:
        """Number of input neurons or channels."""
        return self.rows if self.transposed else self.columns * self.groups + self.second

    @property
    def outputs(self) -> int:
        """Number of output neurons or channels."""
        return self.columns * self.groups if self.transposed else self.rows

    def ends(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Maps flat weight indices to (input indices, output indices); of Bilinear, two inputs for each weight."""
        row = index // (self.columns * self.kernel)
        column = (index // self.kernel) % self.columns if self.kernel > 1 else index % self.columns
        if self.groups > 1:
            column = column + row // (self.rows // self.groups) * self.columns
        if self.second:
            column = torch.cat((column, self.columns + index % self.second))
        return (row, column) if self.transposed else (column, row)


@dataclass(frozen=True, slots=True)
class Maskable:
    """One parameter that is masked: its name, itself, and its geometry."""

    name: str
    parameter: nn.Parameter
    geometry: Geometry

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the weight."""
        return tuple(self.parameter.shape)

    @property
    def block(self) -> tuple[int, ...]:
        """Shape of one of the matrices that are stacked in it, by whose inputs and outputs a distribution goes."""
        rows, *rest = self.shape or (1,)
        return (rows // self.geometry.stacked, *rest)


@dataclass(frozen=True, slots=True)
class DenseMatrix:
    """A parameter of two or more dimensions that is not masked.

    Args:
        name: Its name.
        shape: Its shape.
        why: Why it stays dense, in a word or two: embedding, excluded, frozen, or what it belongs to.
    """

    name: str
    shape: tuple[int, ...]
    why: str

    @property
    def size(self) -> int:
        """Number of its weights."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class MaskingChoice:
    """What is masked of a model, and which other parameters of two or more dimensions there are."""

    maskable: list[Maskable]
    dense: list[DenseMatrix]


@dataclass(slots=True, eq=False)
class Layer:
    """One masked layer as the rules see it. Flat tensors share the order of `weight.flatten()`.

    Args:
        name: Name of the parameter.
        position: 0 for the first masked layer of the network.
        parameter: The weight itself.
        geometry: Its inputs and outputs.
        mask: Flat bool, True where a weight is active.
        explored: Flat bool, True where a weight is or ever was active.
        first: Flat bool, the first mask.
        nonzeros: Number of active weights (those of `mask`).
        explored_count: Number of explored weights (those of `explored`).
        gradient: Dense gradient of the weight at an update, for rules that need it.
        momentum: Dense momentum of the weight at an update, for rules that need it.
        active: Flat indices of the active weights, ascending, as they were before this update.
        fresh: Flat indices of the weights grown at the latest update.
        sparse: The module that stores the active weights alone; `parameter` is then flat, in the order of `active`.
    """

    name: str
    position: int
    parameter: nn.Parameter
    geometry: Geometry
    mask: Tensor
    explored: Tensor
    first: Tensor
    active: Tensor
    fresh: Tensor
    nonzeros: int
    explored_count: int
    gradient: Tensor | None = None
    momentum: Tensor | None = None
    sparse: SparseLinear | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the weight."""
        return tuple(self.parameter.shape) if self.sparse is None else self.sparse.shape

    @property
    def size(self) -> int:
        """Number of weights, active or not."""
        return self.mask.numel()

    @property
    def room(self) -> int:
        """Number of inactive weights."""
        return self.size - self.nonzeros

    def at_active(self, tensor: Tensor) -> Tensor:
        """Returns the values of a weight-shaped tensor at the active weights, flat, in the order of `active`."""
        return gather(tensor, self.active)

    def weights(self) -> Tensor:
        """Returns the values of the active weights, flat."""
        return self.at_active(self.parameter.detach()) if self.sparse is None else self.parameter.detach()

    def move(self, changed: Tensor, optimizer: Optimizer) -> None:
        """Brings weights and optimizer state in line with `active`: weights that died or grew are 0, as is their state.

        Args:
            changed: Flat indices of the weights that died or grew.
            optimizer: What trains the layer.
        """
        if self.sparse is not None:
            self.sparse.move(self.active, optimizer)
        else:
            fill(self.parameter.detach(), changed, 0.0)
            wipe(optimizer, self.parameter, changed)


def find_maskable(modules: Modules, config: SparsityConfig) -> list[Maskable]:
    """Lists the parameters to mask, in the order in which the modules hold them; see `choose`, also for errors."""
    return choose(modules, config).maskable


def choose(modules: Modules, config: SparsityConfig) -> MaskingChoice:
    """Divides a model's parameters into those that are masked and the matrices that stay dense.

    A parameter shared by several modules is listed once, under its first name, and left out where any of its names is
    excluded. Frozen parameters (`requires_grad` False) and empty ones are left alone. Names are those of the module
    itself, without the prefixes of `torch.compile` and data-parallel wrappers; several modules are distinguished by
    the prefix `0.`, `1.`, … or by their keys. A name in `include`, `exclude` or `layer_densities` is a parameter or a
    module; including a module includes its parameters of two or more dimensions.

    Raises:
        ValueError: Nothing is left to mask, a pattern of `include`, `exclude` or `layer_densities` matches nothing, or
        the model is sharded by FSDP, whose parts hold no whole weight.
    """
    uses = (use for _, root in _roots(modules) for one in root.modules() for use in matrices_of(one))
    natural = {(id(use.holder), use.held_as): use for use in uses}
    found: dict[int, Maskable] = {}
    dense: dict[int, DenseMatrix] = {}
    left_out: set[int] = set()
    names: list[str] = []
    matched: set[str] = set()
    for name, parameter, module, attribute in _parameters(modules):
        key = id(parameter)
        names.append(name)
        _refuse_sharded(name, parameter, module)
        excluded = [pattern for pattern in config.exclude if name_patterns.names(pattern, name)]
        included = [pattern for pattern in config.include if _includes(pattern, name, parameter, module, attribute)]
        matched.update(excluded, included)
        if excluded:
            left_out.add(key)
        use = natural.get((id(module), attribute))
        lazy = isinstance(parameter, nn.parameter.UninitializedParameter)
        if (use or included) and parameter.requires_grad and key not in found:
            if lazy:
                raise ValueError(f"{name}: its module is lazy; run one batch through the model before masking it.")
            if parameter.numel():
                found[key] = Maskable(name, parameter, _geometry(use, parameter, module))
        if not lazy and parameter.dim() > 1 and parameter.numel():
            dense.setdefault(key, DenseMatrix(name, tuple(parameter.shape), _why_dense(parameter, module, attribute)))
    for key in left_out:
        found.pop(key, None)
    for pattern in config.layer_densities:
        matched.update(p for p in (pattern,) if any(name_patterns.names(p, one.name) for one in found.values()))
    for field in ("include", "exclude", "layer_densities"):
        for pattern in getattr(config, field):
            if pattern not in matched:
                raise _unmatched(field, pattern, names, found.values())
    kept = [replace(one, why="excluded") if key in left_out else one for key, one in dense.items() if key not in found]
    if not found:
        kinds = "Linear, convolution, Bilinear, attention or recurrent"
        raise ValueError(f"model: it has no trainable {kinds} weight to mask; name parameters in include.")
    return MaskingChoice(list(found.values()), kept)


def _unmatched(field: str, pattern: str, names: Sequence[str], masked: Iterable[Maskable]) -> ValueError:
    """Builds the error for a pattern that names nothing of the model, or nothing that the field is about."""
    meant = [name for name in names if name_patterns.names(pattern, name)]
    if meant and field == "layer_densities":
        return ValueError(f"{field}: {pattern!r} has no mask, so no density of its own; name it in include too.")
    if meant:
        what = "has no parameter of two or more dimensions"
        return ValueError(f"{field}: {pattern!r} {what}; name a parameter itself, such as {meant[0]}.")
    known = [one.name for one in masked] if field == "layer_densities" else names
    return name_patterns.unknown_name(field, pattern, known)


def module_list(modules: Modules) -> list[nn.Module]:
    """Returns the models themselves, from under wrappers."""
    return [module for _, module in _roots(modules)]


def parameters_by_name(modules: Modules) -> dict[str, nn.Parameter]:
    """Returns all parameters by the names that layers have; a shared one under each of its names."""
    return {name: parameter for name, parameter, _, _ in _parameters(modules)}


def matrix_users(modules: Modules) -> dict[int, list[tuple[nn.Module, str]]]:
    """Returns which modules hold each parameter, by its identity, with what they call it."""
    users: dict[int, list[tuple[nn.Module, str]]] = {}
    for _, parameter, module, attribute in _parameters(modules):
        if (module, attribute) not in users.setdefault(id(parameter), []):
            users[id(parameter)].append((module, attribute))
    return users


def _includes(pattern: str, name: str, parameter: nn.Parameter, module: nn.Module, attribute: str) -> bool:
    if scale_of_weight_norm(module, attribute):  # "fc.weight" means the tensor beside it
        return pattern == name
    if name_patterns.names_itself(pattern, name):
        return True
    if isinstance(parameter, nn.parameter.UninitializedParameter):
        return False
    return parameter.dim() > 1 and name_patterns.names_module(pattern, name)


def _geometry(use: MatrixUse | None, parameter: nn.Parameter, module: nn.Module) -> Geometry:
    if use is None:
        return Geometry.of(parameter.shape, module)
    return Geometry.of(parameter.shape, use.module, use.stacked)


def _why_dense(parameter: nn.Parameter, module: nn.Module, attribute: str) -> str:
    if not parameter.requires_grad:
        return "frozen"
    if isinstance(module, EMBEDDINGS):
        return "embedding"
    if scale_of_weight_norm(module, attribute):
        return "scale of weight_norm"
    return f"of {type(module).__name__}"


def _parameters(modules: Modules) -> Iterator[tuple[str, nn.Parameter, nn.Module, str]]:
    for prefix, root in _roots(modules):
        for path, module in root.named_modules(prefix=prefix, remove_duplicate=False):
            owner_name = ".".join(part for part in path.split(".") if part != _COMPILED)
            for attribute, parameter in module.named_parameters(recurse=False, remove_duplicate=False):
                name = f"{owner_name}.{attribute}" if owner_name else attribute
                yield name, parameter, module, attribute


def _refuse_sharded(name: str, parameter: nn.Parameter, module: nn.Module) -> None:
    """Refuses a model that is sharded by FSDP, version 1 or 2."""
    kinds = {one.__name__ for one in (*type(module).__mro__, *type(parameter).__mro__)}
    if kinds & {"FullyShardedDataParallel", "FSDPModule", "FlatParameter", "DTensor"}:
        raise ValueError(
            f"model: {name} is sharded by FSDP, and a mask needs the whole weight; train data-parallel (DDP) instead."
        )


def _roots(modules: Modules) -> Iterable[tuple[str, nn.Module]]:
    if isinstance(modules, nn.Module):
        return [("", unwrap(modules))]
    if isinstance(modules, Mapping):
        return [(name, unwrap(module)) for name, module in modules.items()]
    if len(modules) == 1:
        return [("", unwrap(modules[0]))]
    return [(str(number), unwrap(module)) for number, module in enumerate(modules)]


def unwrap(module: nn.Module) -> nn.Module:
    """Returns the user's own module from under `torch.compile`, data-parallel wrappers and averages of weights."""
    while True:
        inner = getattr(module, _COMPILED, None)
        if inner is None and isinstance(module, _WRAPPERS):
            inner = module.module
        if not isinstance(inner, nn.Module):
            return module
        module = inner
