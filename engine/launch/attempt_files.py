"""What an attempt leaves in its run's folder, so that it is known without a scheduler and without the database.

`console.log` is what the worker printed. `warden-N.json` names the two processes of attempt N while they live.
`exit-N.json` says how the worker ended, `said-N.json` what the worker itself reported about that and perhaps could
not write to the database. `kill-N.json` says that a person asked for its end. `origin.json` says where a run of an
earlier version was submitted; today its row does. Each is written whole (to a temporary file, brought to the disk,
renamed), so a reader finds all of it or nothing.
"""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from db import private_files
from engine.training.durable import sync_folder

_TAIL_BYTES = 16_384
_LINE_LENGTH = 400
# Escape sequences (CSI, OSC and the two-character ones) and the control characters that are left then.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class AttemptFiles(NamedTuple):
    """The files of one attempt.

    Attributes:
        folder: The run's folder, `runs/<uid>`.
        number: The attempt's number, from 1.
    """

    folder: Path
    number: int

    @property
    def console(self) -> Path:
        """What the worker printed, all attempts one after another."""
        return self.folder / "console.log"

    @property
    def origin(self) -> Path:
        """Where a run of an earlier version was submitted: its folder and variables, which are now in the run's row."""
        return self.folder / "origin.json"

    @property
    def claim(self) -> Path:
        """Who watches and who works: the two processes' identities."""
        return self.folder / f"warden-{self.number}.json"

    @property
    def exit(self) -> Path:
        """How the worker ended."""
        return self.folder / f"exit-{self.number}.json"

    @property
    def said(self) -> Path:
        """What the worker itself reported about its end, before it recorded that in the database."""
        return self.folder / f"said-{self.number}.json"

    @property
    def kill(self) -> Path:
        """That a person asked for the attempt to be killed."""
        return self.folder / f"kill-{self.number}.json"


def write_json(path: Path, values: Mapping[str, Any], *, exclusive: bool = False, durable: bool = True) -> bool:
    """Write a JSON file so that it is there whole, on the disk, or not at all.

    Args:
        path: Where; its folder must exist.
        values: What.
        exclusive: Leave an existing file alone; of several writers at once exactly one succeeds.
        durable: Wait until it is on the disk, so that it survives a power cut.

    Returns:
        Whether it was written (always, unless `exclusive`).

    Raises:
        OSError: The disk is full, the folder is gone, and so on.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        with open(temporary, "w", encoding="utf-8", opener=private_files.opener) as file:
            json.dump(values, file)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        if exclusive:
            try:
                _claim(path, temporary)
            except FileExistsError:
                return False
        else:
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    if durable:
        sync_folder(path.parent)
    return True


def _claim(path: Path, whole: Path) -> None:
    """Give a complete file a name that is free; raises FileExistsError where it is not."""
    try:
        path.hardlink_to(whole)
    except FileExistsError:
        raise
    except OSError:  # a file system without links (exFAT, some network shares): the name first, then what it holds
        os.close(private_files.opener(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        whole.replace(path)


def read_json(path: Path) -> dict[str, Any] | None:
    """The contents of a file of `write_json`; None if there is none, or nothing that could be one."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return values if isinstance(values, dict) else None


def last_line(path: Path, *, start: int = 0) -> str | None:
    """The last line that holds something, as plain text without terminal escapes.

    Args:
        path: A log file.
        start: Where to begin, in bytes; what is before that is not read.

    Returns:
        At most 400 characters, or None if there is nothing, or no such file.
    """
    try:
        with path.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(start, end - _TAIL_BYTES))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return None
    for line in reversed(re.split(r"[\r\n]+", text)):
        plain = _CONTROLS.sub("", _ESCAPES.sub("", line).replace("\t", " ")).strip()
        if plain:
            return plain if len(plain) <= _LINE_LENGTH else plain[: _LINE_LENGTH - 1] + "…"
    return None
