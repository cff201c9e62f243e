"""Checkpoint files: written whole or not at all, verified before they are read, never executed.

A file is written under a temporary name in its own folder, synced, renamed, and the folder synced: at any instant a
reader sees the old file or the new one, never half of one. The SHA-256 of its bytes is computed while they are
written; :func:`read` compares it before anything is parsed, and parses with ``weights_only=True``, so that loading
cannot run code.
"""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch

from db import private_files
from engine.training.durable import sync_folder

__all__ = [
    "FORMAT",
    "CheckpointDamagedError",
    "CheckpointFile",
    "checksum",
    "file_name",
    "leftovers",
    "link",
    "random_state",
    "read",
    "restore_random_state",
    "write",
]

FORMAT = 1
"""Version of the layout; a file with another one is refused with a clear message."""

_SUFFIX, _TEMPORARY = ".pt", ".part"


class CheckpointDamagedError(Exception):
    """A checkpoint file is missing, is not what was written, or cannot be read; the message says which."""


@dataclass(frozen=True, slots=True)
class CheckpointFile:
    """What :func:`write` wrote."""

    path: Path
    bytes: int
    sha256: str


def file_name(step: int, kind: str) -> str:
    """Return the name of a checkpoint file, which sorts by step."""
    return f"step-{step:09d}-{kind}{_SUFFIX}"


class _Hashing:
    """A file that hashes what passes through it; torch writes its archives front to back."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()
        self.bytes = 0
        self.failure: OSError | None = None

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        self.bytes += len(data)
        try:
            return self._file.write(data)
        except OSError as error:
            self.failure = error  # torch raises something about positions in an archive on top of it
            raise

    def flush(self) -> None:
        self._file.flush()


def write(path: Path, state: Mapping[str, Any], *, private: bool = True) -> CheckpointFile:
    """Write a state of tensors, numbers, strings, lists and dictionaries.

    Args:
        path: Where to; its folder is made, but not the home. A file of that name is replaced in one instant.
        state: What :func:`read` will return.
        private: Whether it is a file of the home, with its mode; what is written for the user keeps the umask.

    Raises:
        HomeGone: The home is not there any more.
        OSError: The disk is full or the folder cannot be written. Nothing is left behind but, after a crash, a
            temporary file that :func:`leftovers` finds.
    """
    if private:
        private_files.make_run_folder(path.parent)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}{_TEMPORARY}")
    failure: OSError | None = None
    try:
        with open(temporary, "wb", opener=private_files.opener if private else None) as file:
            hashing = _Hashing(file)
            try:
                torch.save({"format": FORMAT, **state}, hashing)  # type: ignore[arg-type]  # it asks for write, flush
            finally:
                failure = hashing.failure
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        failure = error if isinstance(error, OSError) else failure
        if failure is not None:
            raise OSError(failure.errno, failure.strerror, str(path)) from error
        raise
    sync_folder(path.parent)
    return CheckpointFile(path, hashing.bytes, hashing.digest.hexdigest())


def link(source: CheckpointFile, path: Path) -> CheckpointFile:
    """Give a checkpoint a second name, without a second copy where the file system can.

    Each name can be removed on its own; the bytes stay until both are gone.
    """
    temporary = path.with_name(f"{path.name}.{os.getpid()}{_TEMPORARY}")
    try:
        try:
            os.link(source.path, temporary)
        except OSError:
            with open(temporary, "wb", opener=private_files.opener) as file:
                file.write(source.path.read_bytes())
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)
    return CheckpointFile(path, source.bytes, source.sha256)


def leftovers(folder: Path, named: Container[str]) -> list[Path]:
    """Return what killed writers left in a folder: unfinished files, and whole ones that got no row.

    Args:
        folder: A run's folder of checkpoints; need not exist.
        named: The names of the files that the run's checkpoints are in.
    """
    if not folder.is_dir():
        return []
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix == _TEMPORARY or (path.suffix == _SUFFIX and path.name not in named)
    )


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read(path: Path, *, sha256: str | None = None, device: torch.device | str = "cpu") -> dict[str, Any]:
    """Read a state back, after its checksum is verified.

    Args:
        path: The file.
        sha256: What its bytes must hash to; None skips the comparison.
        device: Where its tensors go.

    Raises:
        CheckpointDamagedError: It is missing, differs from what was written, or is no checkpoint of ours.
    """
    try:
        found = None if sha256 is None else checksum(path)
    except FileNotFoundError as error:
        raise CheckpointDamagedError(f"{path.name} is missing from {path.parent}") from error
    except OSError as error:
        raise CheckpointDamagedError(f"{path.name} cannot be read: {error.strerror}") from error
    if found != sha256:
        raise CheckpointDamagedError(f"{path.name} is not what was written: its SHA-256 differs")
    try:
        state = torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointDamagedError(f"{path.name} is missing from {path.parent}") from error
    except Exception as error:  # torch raises half a dozen types for a file that it did not write
        raise CheckpointDamagedError(f"{path.name} cannot be read: {type(error).__name__}") from error
    if not isinstance(state, dict) or "format" not in state:
        raise CheckpointDamagedError(f"{path.name} is no checkpoint of a run")
    if state["format"] != FORMAT:
        raise CheckpointDamagedError(f"{path.name} has format {state['format']}; this program reads format {FORMAT}")
    return state


def random_state(device: torch.device) -> dict[str, Any]:
    """Return the states of Python's, NumPy's and torch's generators, as tensors and numbers."""
    version, words, gauss = random.getstate()
    _, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    state: dict[str, Any] = {
        "python": [version, torch.tensor(words, dtype=torch.int64), gauss],
        "numpy": [torch.from_numpy(np.asarray(keys).astype(np.int64)), position, has_gauss, cached],
        "torch": torch.get_rng_state(),
    }
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def restore_random_state(state: Mapping[str, Any], device: torch.device) -> None:
    """Put all generators where :func:`random_state` found them."""
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words.tolist()), gauss))
    keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state(("MT19937", keys.cpu().numpy().astype(np.uint32), position, has_gauss, cached))
    torch.set_rng_state(state["torch"].cpu())
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"].cpu(), device)
