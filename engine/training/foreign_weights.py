"""Weights from files: checkpoints of itop, and what other programs write with torch.save or safetensors.

Nothing in a file is executed: files of torch.save are read with `weights_only=True`. What wraps the weights is taken
off: the dictionary around a state_dict, the prefixes of DataParallel and torch.compile, the pair that
`torch.nn.utils.prune` makes of a weight. What still does not fit is named.
"""

from __future__ import annotations

import argparse
import collections
import pathlib
import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from engine.config.weights_file import WeightsFileError, weights_format

__all__ = ["fitted", "read_weights"]

_CONTAINERS = (
    *("state_dict", "model_state_dict", "model_state", "model", "net", "network", "module", "weights", "params"),
    *("ema_state_dict", "state_dict_ema", "model_ema", "ema"),
)
"""Under what keys programs keep a state_dict; the first that is there counts, a running mean of the weights last."""

_WRAPPERS = frozenset({"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"})
"""What DataParallel and DDP, torch.compile, FSDP and activation checkpointing put between the parts of a name."""

_HARMLESS: tuple[Any, ...] = (
    argparse.Namespace,
    collections.defaultdict,
    pathlib.PosixPath,
    np.dtype,
    *(type(np.dtype(name)) for name in ("float64", "float32", "float16", "int64", "int32", "bool")),
    (np.float64(0).__reduce__()[0], "numpy._core.multiarray.scalar"),
    (np.float64(0).__reduce__()[0], "numpy.core.multiarray.scalar"),
)
"""Classes that run no code of others when they are loaded, and lie beside the weights in many checkpoints: the
arguments of a program, a best accuracy."""

_NAMED = 3
"""So many names are in a message; the rest is counted."""


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read the weights in a file; executes nothing in it.

    Args:
        path: A checkpoint of itop, a state_dict by torch.save (alone, or in a dictionary under one of the usual keys),
            or a safetensors file.

    Raises:
        WeightsFileError: It cannot be read, or holds no weights.
    """
    content = _read_safetensors(path) if weights_format(path) == "safetensors" else _read_torch(path)
    return _joined_after_pruning(_state_dict(content))


def fitted(weights: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """Rename weights to a model's names, and say what does not fit.

    Names that fit are kept. Otherwise what wraps modules is ignored in both, and at last a prefix that all names have.
    A counter of batches that older versions of torch did not save (`num_batches_tracked`) may be missing.

    Args:
        weights: From a file.
        expected: The model's state_dict(keep_vars=True); only names, shapes and kinds of numbers are looked at, so meta
            tensors do.

    Returns:
        The weights by the model's names, and what is wrong: missing and unexpected names and other shapes, the first
        three of each; nothing where they fit.
    """
    renamed = _renamed(weights, expected)
    there = {id(expected[name]) for name in renamed if name in expected}  # tied weights may be saved once
    missing = [
        name
        for name, value in expected.items()
        if name not in renamed and id(value) not in there and not name.endswith("num_batches_tracked")
    ]
    unexpected = [name for name in renamed if name not in expected]
    both = [name for name in expected if name in renamed]
    shapes = [
        f"{name} is {_shape(renamed[name])}, the model's is {_shape(expected[name])}"
        for name in both
        if renamed[name].shape != expected[name].shape
    ]
    kinds = [
        f"{name} is {_kind(renamed[name])}, the model's is {_kind(expected[name])}"
        for name in both
        if expected[name].is_floating_point() and not renamed[name].is_floating_point()
    ]
    problems = {"missing": missing, "unexpected": unexpected, "other shape": shapes, "other kind of numbers": kinds}
    return renamed, [f"{label}: {_listed(found)}" for label, found in problems.items() if found]


def _read_safetensors(path: Path) -> Any:
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError:
        raise WeightsFileError(
            "is a safetensors file, and safetensors is not installed: python -m pip install 'itop[export]' brings it"
        ) from None
    try:
        content = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsFileError(f"is a safetensors file that is damaged: {error}") from None
    # Those that itop exports hold the masks too.
    ours = {name.removeprefix("weights."): value for name, value in content.items() if name.startswith("weights.")}
    others = [name for name in content if not name.startswith(("weights.", "masks.", "explored."))]
    return ours if ours and not others else content


def _read_torch(path: Path) -> Any:
    zipped = _is_whole_zip(path)
    try:
        with torch.serialization.safe_globals(list(_HARMLESS)):
            # Mapped files cost no memory until a tensor is used: names and shapes of large ones are read at once.
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except pickle.UnpicklingError as error:
        raise WeightsFileError(_unpicklable(str(error))) from None
    except Exception as error:  # torch raises half a dozen types for a file that is damaged
        raise WeightsFileError(f"is damaged or cut off: torch cannot read it ({type(error).__name__})") from None


def _is_whole_zip(path: Path) -> bool:
    """Whether a file of torch.save is of its format since 1.6, a zip archive, and complete."""
    with path.open("rb") as file:
        if file.read(2) != b"PK":
            return False
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError):
        size = path.stat().st_size
        raise WeightsFileError(f"is cut off or damaged: its {size:,} bytes are not all of it") from None
    inner = [name.partition("/")[2] for name in names]
    if any(name.startswith("code/") for name in inner):
        raise WeightsFileError(
            "is a TorchScript archive, which holds code; save its state_dict: torch.save(model.state_dict(), FILE)"
        )
    if "data.pkl" not in inner:
        raise WeightsFileError("is a zip archive that torch.save did not write: unpack it, or name another file")
    return True


def _unpicklable(message: str) -> str:
    found = re.search(r"Unsupported (?:global|class): GLOBAL ([\w.]+)", message)
    what = f"an object of {found[1]}" if found is not None else "objects other than tensors and numbers"
    return (
        f"holds {what}, and loading it would run code: refused. In the program that wrote it, save its state_dict: "
        "torch.save(model.state_dict(), FILE)"
    )


def _state_dict(content: Any, depth: int = 3) -> dict[str, Tensor]:
    if not isinstance(content, Mapping):
        raise WeightsFileError(f"holds a {type(content).__name__}, not a state_dict")
    if not content:
        raise WeightsFileError("holds an empty dictionary, no weights")
    if all(isinstance(value, Tensor) for value in content.values()):
        return {str(name): value for name, value in content.items()}
    for key in _CONTAINERS if depth else ():
        inner = content.get(key)
        if isinstance(inner, Mapping) and inner:
            return _state_dict(inner, depth - 1)
    others = [f"{name} ({type(value).__name__})" for name, value in content.items() if not isinstance(value, Tensor)]
    if len(others) < len(content):
        raise WeightsFileError(f"holds a state_dict with entries that are no tensors: {_listed(others)}")
    keys = ", ".join(_CONTAINERS[:6])
    raise WeightsFileError(
        f"holds a dictionary without weights: its keys are {_listed([str(key) for key in content])}; a state_dict is "
        f"looked for in the file itself and under {keys} and the like"
    )


def _joined_after_pruning(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Multiply the pairs that `torch.nn.utils.prune` leaves: `weight_orig` and `weight_mask` make one `weight`."""
    joined = dict(weights)
    for name in weights:
        stem = name.removesuffix("_orig")
        if stem != name and stem not in weights and f"{stem}_mask" in weights:
            mask = joined.pop(f"{stem}_mask")
            original = joined.pop(name)
            joined[stem] = original * mask.to(original.dtype) if original.shape == mask.shape else original
    return joined


def _renamed(weights: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights by the model's names where those are found, by the file's own otherwise."""
    if all(name in expected for name in weights):
        return dict(weights)
    if all(name.startswith("module.") for name in weights if name != "n_averaged"):
        weights = {name: value for name, value in weights.items() if name != "n_averaged"}  # AveragedModel's counter
    mine = {_bare(name): name for name in expected}
    theirs = {_bare(name): name for name in weights}
    if len(mine) < len(expected) or len(theirs) < len(weights):  # two names differ only in what wraps them
        return dict(weights)
    shorter = best = theirs
    while len({name.partition(".")[0] for name in shorter}) == 1 and all("." in name for name in shorter):
        shorter = {name.partition(".")[2]: original for name, original in shorter.items()}
        best = max(best, shorter, key=lambda names: len(names.keys() & mine.keys()))  # the longer one where alike
    return {mine.get(name, original): weights[original] for name, original in best.items()}


def _bare(name: str) -> str:
    """A name without what wraps modules, at any place of it."""
    *modules, last = name.split(".")
    return ".".join([*(part for part in modules if part not in _WRAPPERS), last])


def _shape(tensor: Tensor) -> list[int]:
    return list(tensor.shape)


def _kind(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _listed(names: list[str]) -> str:
    rest = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {rest:,} more" if rest > 0 else "")
