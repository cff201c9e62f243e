"""Where the files of the data sets are: folders, file names and layouts, without torch.

Looking is tolerant: the files may lie in the folder itself (Debian's packages), in one named after the data set, or
where torchvision puts them. The diagnosis of a machine asks here as well as the loaders do.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import platformdirs

__all__ = [
    "FIRST_LABELS",
    "LAYOUTS",
    "Layout",
    "Located",
    "candidates",
    "data_folder",
    "locate",
    "missing_message",
]


@dataclass(frozen=True, slots=True)
class Layout:
    """How the files of one data set are laid out.

    Attributes:
        kind: The format: IDX files, CIFAR's Python pickles, or folders of images.
        files: The files (for folders of images: the folders) that make it complete. IDX files may be gzipped.
        folders: Where they may lie, relative to the data folder, in the order of looking; "." is the folder itself.
        archive: A tar archive that holds them, for CIFAR.
        marker: For folders of images that lie in the data folder itself: one of these tells which set it is.
    """

    kind: Literal["idx", "cifar", "folders"]
    files: tuple[str, ...]
    folders: tuple[str, ...]
    archive: str | None = None
    marker: tuple[str, ...] = ()


_IDX_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
_TINY_MARKERS = ("wnids.txt", "val/val_annotations.txt")

LAYOUTS: Mapping[str, Layout] = MappingProxyType(
    {
        "mnist": Layout("idx", _IDX_FILES, ("MNIST/raw", "MNIST", "mnist", "mnist/MNIST/raw", ".")),
        "fashion-mnist": Layout(
            "idx",
            _IDX_FILES,
            ("FashionMNIST/raw", "FashionMNIST", "fashion-mnist", "fashion-mnist/FashionMNIST/raw", "."),
        ),
        "cifar10": Layout(
            "cifar",
            (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"),
            ("cifar-10-batches-py", "cifar10/cifar-10-batches-py", "cifar10", "."),
            archive="cifar-10-python.tar.gz",
        ),
        "cifar100": Layout(
            "cifar",
            ("train", "test"),
            ("cifar-100-python", "cifar100/cifar-100-python", "cifar100", "."),
            archive="cifar-100-python.tar.gz",
        ),
        "tiny-imagenet": Layout(
            "folders",
            ("train", "val"),
            ("tiny-imagenet-200", "tiny-imagenet", "tiny-imagenet/tiny-imagenet-200", "."),
            marker=_TINY_MARKERS,
        ),
        "imagenet": Layout("folders", ("train", "val"), ("imagenet", "ILSVRC2012", "ILSVRC/Data/CLS-LOC", ".")),
    }
)
"""The layout of every data set that is read from files, by its canonical name."""

FIRST_LABELS: Mapping[str, bytes] = MappingProxyType(
    {
        "mnist": bytes((5, 0, 4, 1, 9, 2, 1, 3, 1, 4, 3, 5, 3, 6, 1, 7)),
        "fashion-mnist": bytes((9, 0, 0, 3, 0, 2, 7, 2, 5, 5, 0, 9, 5, 5, 7, 9)),
    }
)
"""The first labels of the training set: MNIST and Fashion-MNIST use the same file names, and a folder of the one must
not be taken for the other."""


@dataclass(frozen=True, slots=True)
class Located:
    """Where a data set was found.

    Attributes:
        folder: The folder that holds the files, or the archive.
        files: Path of each file of the layout by its name; empty when they are in the archive.
        archive: The archive to read instead, or None.
    """

    folder: Path
    files: Mapping[str, Path]
    archive: Path | None = None


def data_folder(chosen: str | Path | None = None) -> Path:
    """Return the folder in which data sets are looked for and downloaded to; it need not exist.

    It is `chosen`, else the environment's ITOP_DATA_DIR, else `data` in ITOP_HOME or in the platform's folder for
    user data.
    """
    if chosen or (chosen := os.environ.get("ITOP_DATA_DIR")):
        return Path(chosen).expanduser().absolute()
    home = os.environ.get("ITOP_HOME") or platformdirs.user_data_dir("itop", appauthor=False)
    return Path(home).expanduser().absolute() / "data"


def locate(name: str, folder: Path) -> Located | None:
    """Find the files of a data set in or under a folder; None when no place holds all of them.

    Only names are looked at, not contents. Places that hold the files themselves go before archives.

    Args:
        name: A key of `LAYOUTS`.
        folder: As `data_folder` returns it.
    """
    return next(candidates(name, folder), None)


def candidates(name: str, folder: Path) -> Iterator[Located]:
    """Yield every place that `locate` would accept, best first."""
    layout = LAYOUTS[name]
    places = [folder / place for place in layout.folders]
    for place in places:
        files = {file: path for file in layout.files if (path := _find(layout, place, file)) is not None}
        if len(files) == len(layout.files) and _is_this_set(name, folder, place):
            yield Located(place, files)
    if layout.archive is not None:
        for place in places:
            if (place / layout.archive).is_file():
                yield Located(place, {}, place / layout.archive)


def _find(layout: Layout, place: Path, file: str) -> Path | None:
    if layout.kind == "folders":
        return place / file if (place / file).is_dir() else None
    # Some mirrors name the files "train-images.idx3-ubyte".
    spellings = (file, file + ".gz", file.replace("-idx", ".idx"), file.replace("-idx", ".idx") + ".gz")
    for spelling in spellings if layout.kind == "idx" else (file,):
        if (place / spelling).is_file():
            return place / spelling
    return None


def _is_this_set(name: str, folder: Path, place: Path) -> bool:
    """Tell the two sets of image folders apart where the folder's name does not."""
    if LAYOUTS[name].kind != "folders" or place != folder:
        return True
    return any((place / marker).exists() for marker in _TINY_MARKERS) == bool(LAYOUTS[name].marker)


def missing_message(name: str, folder: Path, problem: str | None = None, download_failure: str | None = None) -> str:
    """Say in at most six short lines that a data set is not there, what was looked for, where, and what to do.

    Args:
        name: A key of `LAYOUTS`.
        folder: Where it was looked for.
        problem: Something that was found there and is not it.
        download_failure: Why downloading failed; None when it was not tried.
    """
    layout = LAYOUTS[name]
    suffix = {"idx": " (each plain or .gz)", "cifar": f", or {layout.archive}", "folders": " (folders)"}[layout.kind]
    under = ", ".join(place for place in layout.folders if place != ".")
    files = ("data_batch_1 … data_batch_5", "test_batch") if layout.files[0].startswith("data_batch") else layout.files
    lines = [
        f"The data set {name} is not in {folder}.",
        f"Looked there and in its {under}",
        f"for {', '.join(files)}{suffix}.",
    ]
    if problem:
        lines.append(problem)
    if download_failure:
        lines.append(f"Downloading it failed: {download_failure}")
    lines.append("Put the files there, or set ITOP_DATA_DIR to the folder that holds them.")
    return "\n".join(lines)
