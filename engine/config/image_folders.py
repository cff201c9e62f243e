"""Data sets that are folders of images: which folders are classes and which files are images, without torch.

The loader takes its classes and images from here, and what queues a run asks `problem` first: both see the same.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

__all__ = ["IMAGE_SUFFIXES", "annotated", "class_names", "class_problem", "images_in", "problem", "unlike"]

IMAGE_SUFFIXES = (".jpeg", ".jpg", ".png", ".bmp", ".webp", ".ppm")

_NOT_CLASSES = frozenset(
    {"__MACOSX", "__pycache__", "@eaDir", "#recycle", "#snapshot", "$RECYCLE.BIN", "System Volume Information",
     "lost+found"}
)  # fmt: skip
"""Folders that other programs leave beside data; those whose name begins with a dot are ignored too."""

_FIRST_BYTES = (b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"BM", b"RIFF", b"P6", b"P3", b"P5", b"P2", b"P4", b"P1", b"GIF8",
                b"II*\x00", b"MM\x00*", b"\x00\x00\x00\x0cjP", b"\xffO\xffQ")  # fmt: skip
"""How the image formats begin. The suffix says little: ImageNet itself has a PNG that is called JPEG."""

_NAMED = 3
"""So many names are in a message; the rest is counted."""


def class_names(part: Path) -> list[str]:
    """Return the folders of a part (`train`, `val`) that are classes, in alphabetical order.

    Raises:
        OSError: It cannot be read.
    """
    with os.scandir(part) as entries:
        return sorted(
            entry.name
            for entry in entries
            if not entry.name.startswith(".") and entry.name not in _NOT_CLASSES and entry.is_dir()
        )


def images_in(folder: Path) -> Iterator[str]:
    """Yield the paths of the images of a class, in the order of the disk: those in its `images`, where it has that.

    What other programs leave (`._x.jpg`, `Thumbs.db`, `.DS_Store`, text) is no image. A link to a file that is not
    there is yielded: it is a missing image, and reading it says so.

    Raises:
        OSError: The folder cannot be read.
    """
    inner = folder / "images"
    with os.scandir(inner if inner.is_dir() else folder) as entries:
        for entry in entries:
            name = entry.name
            if name.startswith(".") or not name.lower().endswith(IMAGE_SUFFIXES):
                continue
            if not entry.is_dir():
                yield entry.path


def class_problem(folder: Path) -> str:
    """Say that a class has no images, and what is in its folder instead."""
    kinds = ", ".join(suffix[1:] for suffix in IMAGE_SUFFIXES)
    others = sorted(entry.name for entry in os.scandir(folder) if not entry.name.startswith("."))
    held = f"it holds {_listed(others)}" if others else "it is empty"
    return f"{folder} is a class without images: {held}; put its images there ({kinds}), or remove the folder"


def unlike(train: Path, names: Iterable[str], test: Path, test_names: Iterable[str]) -> str | None:
    """Say in what the classes of two parts differ; None where they are the same.

    Args:
        train: The folder of the training set, for the message.
        names: Its classes.
        test: The folder of the test set.
        test_names: Its classes.
    """
    known, tested = set(names), set(test_names)
    if unknown := sorted(tested - known):
        spellings = {name.casefold(): name for name in known - tested}
        near = difflib.get_close_matches(unknown[0].casefold(), sorted(spellings), n=1, cutoff=0.6)
        hint = f" (did you mean {spellings[near[0]]!r}?)" if near else ""
        return f"{test} has {_classes(unknown)} that {train} does not have{hint}"
    if untested := sorted(known - tested):
        return f"{train} has {_classes(untested)} that {test} does not have"
    return None


def annotated(test: Path) -> Path | None:
    """Return Tiny ImageNet's file of labels, where the test images lie in one folder with it; else None."""
    file = test / "val_annotations.txt"
    return file if file.is_file() and (test / "images").is_dir() else None


def problem(folder: Path) -> str | None:
    """Say what is wrong with a data set as far as a few files tell, a message as the loader's; None for nothing.

    The names of the classes are read, and of each class one image: its first bytes.

    Args:
        folder: What holds `train` and `val`.
    """
    try:
        return _problem(folder)
    except OSError as error:
        return f"{error.filename or folder} cannot be read: {error.strerror or error}"


def _problem(folder: Path) -> str | None:
    train, test = folder / "train", folder / "val"
    names = class_names(train)
    if not names:
        return f"{train} holds no folders, one for each class"
    parts = [(train, names)]
    if annotated(test) is None:
        tested = class_names(test)
        if not tested:
            return f"{test} holds no folders, one for each class"
        if (found := unlike(train, names, test, tested)) is not None:
            return found
        parts.append((test, tested))
    for part, classes in parts:
        for name in classes:
            first = next(images_in(part / name), None)
            if first is None:
                return class_problem(part / name)
            if (found := _no_image(Path(first))) is not None:
                return found
    return None


def _no_image(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except FileNotFoundError:
        return f"{path} is not a readable image: it is a link to a file that is not there"
    if not start:
        return f"{path} is not a readable image: the file is empty"
    if not start.startswith(_FIRST_BYTES):
        return f"{path} is not a readable image: its content is of no known format"
    return None


def _classes(names: list[str]) -> str:
    return f"the class {_listed(names)}" if len(names) == 1 else f"{len(names):,} classes ({_listed(names)})"


def _listed(names: list[str]) -> str:
    rest = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {rest:,} more" if rest > 0 else "")
