"""Small data sets in the true formats, written by hand, for the tests of this folder."""

from __future__ import annotations

import gzip
import io
import pickle
import struct
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

IDX_NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def idx_bytes(values: np.ndarray[Any, np.dtype[np.uint8]]) -> bytes:
    """An IDX file of unsigned bytes, as its description says, without the code under test."""
    return bytes((0, 0, 8, values.ndim)) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


def write_mnist(folder: Path, *, zipped: bool = True, train: int = 40, test: int = 20) -> None:
    """Four IDX files; image i of a part has the value i everywhere but its corner, which holds its label i mod 10."""
    folder.mkdir(parents=True, exist_ok=True)
    for prefix, count in (("train", train), ("t10k", test)):
        images = np.repeat(np.arange(count, dtype=np.uint8), 784).reshape(count, 28, 28).copy()
        labels = (np.arange(count) % 10).astype(np.uint8)
        images[:, 0, 0] = labels
        for name, values in ((f"{prefix}-images-idx3-ubyte", images), (f"{prefix}-labels-idx1-ubyte", labels)):
            content = idx_bytes(values)
            if zipped:
                (folder / f"{name}.gz").write_bytes(gzip.compress(content))
            else:
                (folder / name).write_bytes(content)


def cifar_pickle(count: int, classes: int, first: int, *, label_key: str = "labels") -> bytes:
    """One file, of the old protocol 2 and with keys as bytes; image i holds (first + i) mod 256 everywhere."""
    values = ((first + np.arange(count)) % 256).astype(np.uint8)
    labels = [int(value) for value in (first + np.arange(count)) % classes]
    data = np.repeat(values, 3072).reshape(count, 3072)
    return pickle.dumps({b"data": data, label_key.encode(): labels, b"batch_label": b"a batch"}, protocol=2)


def cifar_files(name: str, per_file: int = 20) -> dict[str, bytes]:
    """The files of CIFAR-10 or CIFAR-100 by name."""
    if name == "cifar10":
        names = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
        return {file: cifar_pickle(per_file, 10, position * per_file) for position, file in enumerate(names)}
    return {
        "train": cifar_pickle(2 * per_file, 100, 0, label_key="fine_labels"),
        "test": cifar_pickle(per_file, 100, 2 * per_file, label_key="fine_labels"),
    }


def write_cifar(folder: Path, name: str) -> None:
    """The unpacked layout."""
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in cifar_files(name).items():
        (folder / file).write_bytes(content)


def write_cifar_archive(path: Path, name: str, inner: str) -> None:
    """The layout as downloaded: a gzipped tar with one folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for file, content in cifar_files(name).items():
            member = tarfile.TarInfo(f"{inner}/{file}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def write_image(path: Path, size: tuple[int, int], colour: tuple[int, int, int]) -> None:
    """One plain-coloured picture, `size` being (width, height)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path, format="PNG" if path.suffix == ".png" else "JPEG", quality=95)


TINY_CLASSES = ("n01443537", "n01629819", "n01641577")


def write_tiny_imagenet(folder: Path, per_class: int = 6, test: int = 6) -> None:
    """Tiny ImageNet's archive: `images` in each class, and annotated validation images in one folder.

    The red of every picture is 40 · (label + 1); the annotations are out of order, as in the real file.
    """
    for label, name in enumerate(TINY_CLASSES):
        for number in range(per_class):
            write_image(
                folder / "train" / name / "images" / f"{name}_{number}.JPEG", (64, 64), (40 * (label + 1), number, 0)
            )
    (folder / "wnids.txt").write_text("\n".join(reversed(TINY_CLASSES)) + "\n")
    lines = []
    for number in reversed(range(test)):
        label = number % len(TINY_CLASSES)
        write_image(folder / "val" / "images" / f"val_{number}.JPEG", (64, 64), (40 * (label + 1), number, 0))
        lines.append(f"val_{number}.JPEG\t{TINY_CLASSES[label]}\t0\t0\t62\t62")
    (folder / "val" / "val_annotations.txt").write_text("\n".join(lines) + "\n")


def write_imagenet(folder: Path, per_class: int = 4) -> None:
    """ImageNet's layout with three classes, pictures of several sizes; the amount of red is the label."""
    for label, name in enumerate(TINY_CLASSES):
        for part, count in (("train", per_class), ("val", 2)):
            for number in range(count):
                write_image(
                    folder / part / name / f"{part}_{number}.JPEG", (250 + 30 * number, 240), (40 * (label + 1), 0, 0)
                )
