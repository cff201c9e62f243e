"""MNIST's IDX format: two zero bytes, a type, the number of dimensions, the dimensions, the values."""

from __future__ import annotations

import gzip
import io
import math
import struct
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from engine.config.catalogue import DatasetInfo
from engine.config.locations import Located
from engine.data.data_errors import DataCorruptError

__all__ = ["read_idx", "read_idx_set"]

_UNSIGNED_BYTES = 8


def read_idx(path: Path) -> Tensor:
    """Read one IDX file of unsigned bytes, gzipped if its name ends so.

    Returns:
        A uint8 tensor of the dimensions the file states.

    Raises:
        DataCorruptError: when the file is no IDX file of bytes, or shorter or longer than its header states.
    """
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as stream:
            return _read_values(path, stream)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataCorruptError(f"{path} is damaged ({error}); delete it and fetch it again") from error
    except OSError as error:
        raise DataCorruptError(f"{path} cannot be read: {error.strerror or error}") from error


def _read_values(path: Path, stream: io.BufferedIOBase) -> Tensor:
    head = stream.read(4)
    if len(head) < 4 or head[:3] != bytes((0, 0, _UNSIGNED_BYTES)) or head[3] not in (1, 2, 3, 4):
        raise DataCorruptError(f"{path} is not an IDX file of bytes: it begins with {head.hex(' ') or 'nothing'}")
    sizes = stream.read(4 * head[3])
    if len(sizes) < 4 * head[3]:
        raise DataCorruptError(f"{path} ends within its header; delete it and fetch it again")
    shape: tuple[int, ...] = struct.unpack(f">{head[3]}I", sizes)
    expected = math.prod(shape)
    values = stream.read()  # not as many as the header states: a damaged one may state billions
    if len(values) < expected:
        raise DataCorruptError(
            f"{path} ends early: {len(values):,} of {expected:,} values; delete it and fetch it again"
        )
    if len(values) > expected:
        raise DataCorruptError(f"{path} is longer than the {expected:,} values its header states")
    return torch.from_numpy(np.frombuffer(values, dtype=np.uint8).reshape(shape).copy())


def read_idx_set(info: DatasetInfo, located: Located) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Read the four files of a data set of the MNIST family.

    Returns:
        Training images `[n, 1, height, width]` uint8 and labels `[n]` int64, then those of the test set.

    Raises:
        DataCorruptError: when a file is damaged, or they do not belong together.
    """
    parts: list[Tensor] = []
    paths = list(located.files.values())
    for images_path, labels_path in (paths[:2], paths[2:]):
        images, labels = read_idx(images_path), read_idx(labels_path)
        if images.dim() != 3 or tuple(images.shape[1:]) != (info.height, info.width):
            raise DataCorruptError(
                f"{images_path} holds values of shape {tuple(images.shape)}, not images of {info.height}×{info.width}"
            )
        if labels.shape != images.shape[:1]:
            raise DataCorruptError(
                f"{labels_path} holds labels of shape {tuple(labels.shape)}, "
                f"but {images_path.name} {len(images):,} images"
            )
        if not len(labels) or int(labels.max()) >= info.classes:
            raise DataCorruptError(f"{labels_path} holds no labels from 0 to {info.classes - 1}, as {info.name} has")
        parts += [images.unsqueeze(1), labels.long()]
    train_images, train_labels, test_images, test_labels = parts
    return train_images, train_labels, test_images, test_labels
