"""Fetching the data sets that torchvision knows, so that a file is either whole and in its place or not there."""

from __future__ import annotations

import contextlib
import io
import re
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from engine.config.user_calls import describe

__all__ = ["CLASSES", "TIMEOUT", "download"]

CLASSES = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST", "cifar10": "CIFAR10", "cifar100": "CIFAR100"}
"""torchvision's class for each data set that can be downloaded."""

TIMEOUT = 30.0
"""Seconds without an answer after which a download fails."""

_STAGING = ".download-"
_STALE = 24 * 3600.0


def download(name: str, folder: Path) -> str | None:
    """Fetch a data set into a folder, where `engine.config.locations` finds it.

    It goes into a temporary folder beside first, is verified by its published checksum, and then moved: an
    interrupted download leaves nothing that looks like data, and two at the same time are safe.

    Args:
        name: A key of `CLASSES`.
        folder: The data folder; made if need be.

    Returns:
        None on success; otherwise why it failed, in one line.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        staging = Path(tempfile.mkdtemp(prefix=_STAGING, dir=folder))
    except OSError as error:
        return f"{folder} cannot be written to ({error.strerror or error})"
    try:
        with _server_timeout(), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            _fetch(name, staging)
        for fetched in staging.iterdir():
            _move(fetched, folder / fetched.name)
    except Exception as error:  # torchvision lets through what sockets, archives and file systems raise
        return _reason(error)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return None


def _sweep(folder: Path) -> None:
    """Remove what killed downloads left, once it is too old to belong to one that still runs."""
    for left in folder.glob(f"{_STAGING}*"):
        if time.time() - left.stat().st_mtime > _STALE:
            shutil.rmtree(left, ignore_errors=True)


def _fetch(name: str, folder: Path) -> None:
    # Imported here: torchvision takes a second, and only a download needs its classes.
    from torchvision import datasets

    getattr(datasets, CLASSES[name])(str(folder), train=True, download=True)


def _move(source: Path, target: Path) -> None:
    """Move a file or folder to its place; what is there already stays, file by file."""
    if source.is_dir():
        target.mkdir(exist_ok=True)
        for child in source.iterdir():
            _move(child, target / child.name)
    elif not target.exists():
        source.replace(target)


def _reason(error: Exception) -> str:
    """The cause in one short line; torchvision wraps the network's message in a report on every mirror."""
    text = describe(error)
    network = re.search(r"<urlopen error (?:\[Errno -?\d+\] )?(.+?)>", text)
    return f"no connection ({network[1]})" if network else text[:120]


@contextlib.contextmanager
def _server_timeout() -> Iterator[None]:
    """Give up on servers that do not answer: torchvision opens its connections without a time limit."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
