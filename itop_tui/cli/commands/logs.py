"""`itop logs`: a run's console log, without whatever could write on the terminal."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from db.paths import run_folder
from db.records import RunStatus
from db.runs import runs as store
from db.session import Database
from engine.launch import submit
from itop_tui.cli.errors import UsageError
from itop_tui.cli.parameters import AtLeastZero, Json, RunName
from itop_tui.cli.store import opened
from itop_tui.cli.terminal import note
from itop_tui.service.json_shape import print_json

_POLL_SECONDS = 0.2
_LONGEST_LINE = 65_536
"""Bytes after which an unfinished line is written out anyway."""

# CSI sequences, then strings (OSC, DCS, APC, PM, SOS) up to their end or the line's, then two-character escapes.
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f]).*?(?:\x07|\x1b\\|\x9c|$)"
    r"|\x1b[ -/]*[0-~]?"
)
# What is left of the control characters, and the directional overrides that reorder what stands beside them.
_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def harmless(line: str) -> str:
    """Give a line of a log without terminal escapes and control characters; tabs stay.

    A carriage return, with which a progress bar writes over itself, leaves what was written last.
    """
    line = line.rstrip("\r\n")
    if "\r" in line:
        line = line.rsplit("\r", 1)[1]
    return _CONTROLS.sub("", _ESCAPES.sub("", line))


def logs(
    run: RunName,
    /,
    *,
    follow: Annotated[
        bool, Parameter(name=["--follow", "-f"], negative=(), show_default=False, help="Go on until the run ends.")
    ] = False,
    lines: Annotated[
        int | None, AtLeastZero, Parameter(name=["--lines", "-n"], help="Only the last N lines.", metavar="N")
    ] = None,
    json: Json = False,
) -> int:
    """Print a run's console log; terminal escapes in it are left out."""
    if follow and json:
        raise UsageError("--follow and --json: a document has an end; choose one of them")
    with opened() as database:
        found = store.find(database, run)
        path = run_folder(found.uid) / "console.log"
        tail = Tail(path)
        written = tail.read(final=not follow)
        kept = written if lines is None else written[len(written) - min(lines, len(written)) :]
        if json:
            print_json({"id": found.id, "path": str(path), "lines": kept})
            return 0
        _print(kept)
        if follow:
            _follow(database, found.id, tail)
        elif not written:
            waiting = found.status in (RunStatus.QUEUED, RunStatus.STARTING)
            note(f"Run {found.id} is {found.status}: it has written no log" + (" yet." if waiting else "."))
    return 0


class Tail:
    """Reads a growing text file line by line; each line is given once, made `harmless`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._unfinished = b""

    def read(self, *, final: bool) -> list[str]:
        """Return the lines that were completed since the last call.

        Args:
            final: Whether nothing more is to come: a last line without its end is returned too.
        """
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                fresh = file.read()
        except FileNotFoundError:
            fresh = b""
        self._offset += len(fresh)
        *complete, rest = (self._unfinished + fresh).split(b"\n")
        if rest and (final or len(rest) > _LONGEST_LINE):
            complete.append(rest)
            rest = b""
        self._unfinished = rest
        return [harmless(line.decode(errors="replace")) for line in complete]


def _follow(database: Database, run_id: int, tail: Tail) -> None:
    """Print what is written until the run has ended."""
    while True:
        # The state is read before the file: what a run wrote before it ended is then surely printed.
        submit.reconcile(database)
        ended = store.get(database, run_id).status.is_terminal
        _print(tail.read(final=ended))
        if ended:
            return
        time.sleep(_POLL_SECONDS)


def _print(lines: list[str]) -> None:
    for line in lines:
        sys.stdout.write(line + "\n")
    sys.stdout.flush()
