"""Files of an export: names that every file system accepts, complete or absent, never over another file by accident."""

from __future__ import annotations

import os
import re
import shutil
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from db.records import RunRecord
from itop_tui.figures.format import plural

_LONGEST_NAME = 60


class ExportError(Exception):
    """Nothing can be exported; the message says why, and what to do."""


class AlreadyThereError(ExportError):
    """What would be written already exists; with force it is replaced."""

    def __init__(self, targets: Sequence[Path]) -> None:
        first, more = targets[0], len(targets) - 1
        those = f"{first} is" if not more else f"{first} and {plural(more, 'more')} are"
        super().__init__(f"{those} there already: choose another place, or overwrite it (--force)")
        self.targets = tuple(targets)


def safe_name(text: str) -> str:
    """Make any text a part of a file name: ASCII letters, digits, dots, dashes and underscores, 60 at most.

    >>> safe_name("vgg-c / RigL 5 %")
    'vgg-c-RigL-5'
    """
    plain = unicodedata.normalize("NFKD", text[:400]).encode("ascii", "ignore").decode("ascii")
    # A name that begins with a dot is hidden, one that begins with a dash is taken for a flag.
    return re.sub(r"[^A-Za-z0-9._-]+", "-", plain).strip("-._")[:_LONGEST_NAME].rstrip("-._")


def run_name(run: RunRecord) -> str:
    """What a run's file or folder is called: its id, and its name made safe."""
    name = safe_name(run.name)
    return f"run-{run.id}-{name}" if name else f"run-{run.id}"


def comparison_name(ids: Sequence[int]) -> str:
    """What the files of a comparison are called: the ids of its runs, of the first six where they are more."""
    return f"comparison-{'-'.join(map(str, ids[:6]))}{'-more' if len(ids) > 6 else ''}"


@contextmanager
def written(target: Path, *, force: bool = False, folder: bool = False) -> Iterator[Path]:
    """Give a path to write to; when all went well it becomes `target` in one instant, else nothing is left.

    A folder that is there already is replaced file by file, and keeps what is not exported.

    Args:
        target: The file or folder; the folder it is in is made.
        force: Whether what is there already may be replaced.
        folder: Whether it is a folder, which is made.

    Raises:
        AlreadyThereError: It is there, and `force` is not set.
        ExportError: It is there and is of the other kind.
    """
    refuse_existing([target], force=force, folders=folder)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    if folder:
        temporary.mkdir()
    try:
        yield temporary
        if folder and target.is_dir():
            for file in sorted(temporary.iterdir()):
                file.replace(target / file.name)
        elif folder or force:
            temporary.replace(target)
        else:
            _link(temporary, target)
    finally:
        if folder:
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)


def refuse_existing(targets: Sequence[Path], *, force: bool, folders: bool = False) -> None:
    """Refuse to write files, or folders, over something.

    Raises:
        AlreadyThereError: Some are there, and `force` is not set.
        ExportError: One is there and is of the other kind, which nothing replaces.
    """
    there = [target for target in targets if os.path.lexists(target)]
    for target in there:
        if target.is_dir() != folders:
            kind, other = ("file", "folder") if folders else ("folder", "file")
            raise ExportError(f"{target} is a {kind}, not the {other} that would be written: choose another place")
    if there and not force:
        raise AlreadyThereError(there)


def _link(temporary: Path, target: Path) -> None:
    try:
        os.link(temporary, target)  # unlike a rename, it fails if another process made it first
    except FileExistsError as error:
        raise AlreadyThereError([target]) from error
    except OSError:  # a file system without hard links
        temporary.replace(target)
