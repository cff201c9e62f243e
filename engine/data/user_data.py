"""Custom data sets, by `package.module:function` or `path/to/file.py:function`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from engine.config.catalogue import DatasetInfo
from engine.config.user_calls import ReferenceProblem, accepted, describe, user_code
from engine.config.user_imports import import_function
from engine.data.bundle import TensorSplit
from engine.data.data_errors import DataError
from engine.data.transforms import Normalisation

__all__ = ["load_user_set"]

_DIMENSIONS = {
    2: "features",
    3: "images, height, width",
    4: "images, channels, height, width",
}


def load_user_set(reference: str, offered: Mapping[str, Any]) -> tuple[DatasetInfo, TensorSplit, TensorSplit]:
    """Call the user's function and check what it returns.

    It is called with those of the `offered` keyword arguments that it accepts, and returns (train, test), each a pair
    (inputs, labels) of tensors or arrays, or a torch `Dataset` of (image, label), which is read into memory once.
    Inputs are `[n, channels, height, width]`, `[n, height, width]` or `[n, features]`; bytes are divided by 255,
    floats are used as they are. Labels are whole numbers from 0.

    Raises:
        DataError: when it cannot be imported or called, ends the process, or returns something else; in one line.
    """
    try:
        function = import_function(reference)
        with user_code(reference):
            answer = function(**accepted(function, offered))
    except ReferenceProblem as problem:
        raise DataError(f"data set {reference!r}: {problem}") from problem.__cause__
    except Exception as error:  # the function is the user's: anything can happen in it
        raise DataError(f"data set {reference!r}: calling it failed with {describe(error)}") from error
    try:
        with user_code(reference):  # a data set's items are read by its own code
            return _checked(reference, answer)
    except (ReferenceProblem, _Wrong) as wrong:
        raise DataError(f"data set {reference!r}: {wrong}") from wrong.__cause__


class _Wrong(Exception):  # noqa: N818 - internal, made into a DataError at once
    """What is wrong with the answer."""


def _checked(reference: str, answer: Any) -> tuple[DatasetInfo, TensorSplit, TensorSplit]:
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        raise _Wrong(f"it returned {_kind(answer)}, not (train, test)")
    (inputs, labels), (test_inputs, test_labels) = (
        _part(value, name) for value, name in zip(answer, ("train", "test"), strict=True)
    )
    if test_inputs.shape[1:] != inputs.shape[1:]:
        raise _Wrong(f"train images are {_by(inputs.shape[1:])} but test images {_by(test_inputs.shape[1:])}")
    if test_inputs.dtype != inputs.dtype:
        raise _Wrong(f"train images are {inputs.dtype} but test images {test_inputs.dtype}")
    channels, height, width = inputs.shape[1:]
    info = DatasetInfo(
        name=reference,
        classes=int(torch.cat([labels, test_labels]).max()) + 1,
        channels=channels,
        height=height,
        width=width,
        train_size=len(labels),
        test_size=len(test_labels),
        download=False,
        description="a custom data set",
    )
    unit = (0.0,) * channels, (1.0,) * channels
    normalise = Normalisation.of(*unit) if inputs.dtype == torch.uint8 else None
    return info, TensorSplit(inputs, labels, normalise), TensorSplit(test_inputs, test_labels, normalise)


def _part(value: Any, name: str) -> tuple[Tensor, Tensor]:
    """The images `[n, channels, height, width]` and labels `[n]` of one part."""
    if isinstance(value, tuple | list) and len(value) == 2:
        inputs, labels = _tensor(value[0], f"{name} inputs"), _tensor(value[1], f"{name} labels")
    elif hasattr(value, "__getitem__") and hasattr(value, "__len__") and not isinstance(value, Tensor | np.ndarray):
        inputs, labels = _read(value, name)
    else:
        raise _Wrong(f"{name} is {_kind(value)}, neither (inputs, labels) nor a torch Dataset of (image, label)")
    if inputs.dim() not in _DIMENSIONS:
        allowed = "; ".join(f"{count}: {meaning}" for count, meaning in _DIMENSIONS.items())
        raise _Wrong(f"{name} inputs have {inputs.dim()} dimensions, not one of ({allowed})")
    if inputs.dim() == 2:
        inputs = inputs[:, None, None, :]
    elif inputs.dim() == 3:
        inputs = inputs[:, None]
    if labels.dim() != 1 or len(labels) != len(inputs):
        raise _Wrong(f"{name} has {len(inputs):,} inputs and labels of shape {tuple(labels.shape)}, not one for each")
    if not inputs.numel():
        raise _Wrong(f"{name} is empty")
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool or int(labels.min()) < 0:
        raise _Wrong(f"{name} labels are not whole numbers from 0 ({labels.dtype}, least {labels.min().item()})")
    return (inputs if inputs.dtype == torch.uint8 else inputs.float()).contiguous(), labels.long()


def _read(dataset: Any, name: str) -> tuple[Tensor, Tensor]:
    images: list[Tensor] = []
    labels: list[int] = []
    for index in range(len(dataset)):
        try:
            image, label = dataset[index]
            images.append(_image(image))
            labels.append(int(label))
        except Exception as error:  # the data set is the user's: anything can happen in it
            raise _Wrong(f"item {index} of {name} is not an (image, label): {describe(error)}") from error
        if images[-1].shape != images[0].shape:
            raise _Wrong(f"item {index} of {name} is {_by(images[-1].shape)}, but item 0 {_by(images[0].shape)}")
    if not images:
        raise _Wrong(f"{name} is empty")
    return torch.stack(images), torch.tensor(labels)


def _image(image: Any) -> Tensor:
    """One image as a tensor; pictures (PIL's, or anything else that becomes rows × columns × colours) channel first."""
    if isinstance(image, Tensor):
        return image.detach().cpu()
    pixels = torch.from_numpy(np.array(image))
    return pixels.permute(2, 0, 1) if pixels.dim() == 3 and not isinstance(image, np.ndarray) else pixels


def _tensor(value: Any, name: str) -> Tensor:
    try:
        return torch.as_tensor(value).detach().cpu()
    except Exception as error:  # whatever a custom type raises
        raise _Wrong(f"{name} are {_kind(value)}, not a tensor or array: {describe(error)}") from error


def _kind(value: Any) -> str:
    return "nothing" if value is None else f"an object of type {type(value).__name__}"


def _by(shape: torch.Size) -> str:
    return "×".join(str(size) for size in shape)
