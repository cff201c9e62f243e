"""CIFAR's Python format: pickled dictionaries of flat images and labels, in a folder or a tar archive."""

from __future__ import annotations

import io
import pickle
import tarfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from engine.config.catalogue import DatasetInfo
from engine.config.locations import LAYOUTS, Located
from engine.data.data_errors import DataCorruptError

__all__ = ["read_cifar_set", "unpickle"]


def _codecs_encode(text: str, encoding: str) -> bytes:
    """What Python 3 uses to pickle bytes for old protocols; only the encoding it uses is allowed."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"encoding {encoding!r} is not allowed")
    return text.encode("latin1")


_RECONSTRUCT: Any = np.empty(0).__reduce__()[0]  # its module differs between versions of numpy

_ALLOWED: Mapping[tuple[str, str], Callable[..., Any]] = {
    ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _codecs_encode,
}


class _Unpickler(pickle.Unpickler):
    """Builds numpy arrays and plain values and refuses everything else: a pickle may otherwise run any code."""

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed in a data file") from None


def unpickle(content: bytes, source: str) -> dict[str, Any]:
    """Read one pickled dictionary of arrays and plain values, without running any code in it.

    Args:
        content: The bytes of the file.
        source: Its name, for messages.

    Raises:
        DataCorruptError: when it is damaged, refers to anything but arrays, or is no dictionary.
    """
    try:
        values = _Unpickler(io.BytesIO(content), encoding="latin1").load()
    except Exception as error:  # damaged pickles raise nearly anything
        raise DataCorruptError(f"{source} is not a CIFAR file: {error}; delete it and fetch it again") from error
    if not isinstance(values, dict):
        raise DataCorruptError(f"{source} is not a CIFAR file: it holds a {type(values).__name__}")
    return {key.decode("latin1") if isinstance(key, bytes) else str(key): value for key, value in values.items()}


def read_cifar_set(info: DatasetInfo, located: Located) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Read CIFAR-10 or CIFAR-100.

    Returns:
        Training images `[n, 3, 32, 32]` uint8 and labels `[n]` int64, then those of the test set.

    Raises:
        DataCorruptError: when a file is damaged or is not what it should be.
    """
    batches = [_read_batch(info, content, source) for source, content in _contents(info.name, located)]
    *train, test = batches
    images = torch.cat([part[0] for part in train])
    labels = torch.cat([part[1] for part in train])
    return images, labels, *test


def _contents(name: str, located: Located) -> Iterator[tuple[str, bytes]]:
    """The name and bytes of each file, in the order of the layout."""
    if located.archive is None:
        for path in located.files.values():
            try:
                yield str(path), path.read_bytes()
            except OSError as error:
                raise DataCorruptError(f"{path} cannot be read: {error.strerror or error}") from error
        return
    found = _read_archive(located.archive, LAYOUTS[name].files)
    for file in LAYOUTS[name].files:
        if file not in found:
            raise DataCorruptError(f"{located.archive} holds no {file}; delete it and fetch it again")
        yield f"{file} in {located.archive}", found[file]


def _read_archive(path: Path, files: tuple[str, ...]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                base = member.name.rpartition("/")[2]
                stream = archive.extractfile(member) if member.isfile() and base in files else None
                if stream is not None:
                    found[base] = stream.read()
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        raise DataCorruptError(f"{path} is damaged ({error}); delete it and fetch it again") from error
    return found


def _read_batch(info: DatasetInfo, content: bytes, source: str) -> tuple[Tensor, Tensor]:
    values = unpickle(content, source)
    images = values.get("data")
    labels = values.get("fine_labels" if info.name == "cifar100" else "labels")
    flat = info.channels * info.height * info.width
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.shape[1:] != (flat,):
        raise DataCorruptError(f"{source} holds no images of {info.channels}×{info.height}×{info.width} bytes")
    if not isinstance(labels, list) or not all(type(x) is int and 0 <= x < info.classes for x in labels):
        raise DataCorruptError(f"{source} holds no labels from 0 to {info.classes - 1}, as {info.name} has")
    if not labels or len(labels) != len(images):
        raise DataCorruptError(f"{source} holds {len(images):,} images and {len(labels):,} labels")
    shaped = images.reshape(-1, info.channels, info.height, info.width)
    return torch.from_numpy(shaped.copy()), torch.tensor(labels)
