"""`itop logs`: a run's console log, without whatever could write on the terminal."""

from __future__ import annotations

import re
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Annotated

from cyclopts import Parameter

from db.errors import RunNotFound
from db.paths import run_folder
from db.records import RunRecord, RunStatus
from db.runs import runs as store
from db.session import Database
from engine.launch import submit
from itop_tui.cli.errors import Exit, UsageError
from itop_tui.cli.follow import SilenceWatch, obstacle_of
from itop_tui.cli.output_end import wait
from itop_tui.cli.parameters import AtLeastZero, Json, RunName
from itop_tui.cli.store import opened
from itop_tui.cli.terminal import note
from itop_tui.figures.format import plain, without_escapes
from itop_tui.figures.log_tail import LogTail
from itop_tui.service.json_shape import print_json

_POLL_SECONDS = 0.2
_LONGEST_LINE = 65_536
"""Bytes after which an unfinished line is written out anyway."""

# What is left of the control characters, and the directional overrides that reorder what stands beside them.
_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def harmless(line: str) -> str:
    """Give a line of a log without terminal escapes and control characters; tabs stay.

    A carriage return, with which a progress bar writes over itself, leaves what was written last.
    """
    return _CONTROLS.sub("", without_escapes(line))


def logs(
    run: RunName,
    /,
    *,
    follow: Annotated[
        bool,
        Parameter(
            name=["--follow", "-f"],
            negative=(),
            show_default=False,
            help="Print what is added until the run ends, or is given up; 1 where it is held or was deleted.",
        ),
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
        tail = LogTail(path, lines, most_bytes=None, clean=harmless, longest_line=_LONGEST_LINE)
        first = tail.read()
        written = chain(first.lines, _read_on(tail, final=not follow))
        kept = written if lines is None else deque(written, maxlen=lines)
        if json:
            print_json({"id": found.id, "path": str(path), "lines": list(kept)})
            return 0
        printed = _print(kept)
        if follow:
            return _follow(database, found, tail)
        if not printed and not first.skipped and (first.missing or lines != 0):
            waiting = found.status in (RunStatus.QUEUED, RunStatus.STARTING)
            note(f"Run {found.id} is {found.status}: it has written no log" + (" yet." if waiting else "."))
    return 0


def _read_on(tail: LogTail, *, final: bool) -> Iterator[str]:
    """Give the lines that were completed since the last call; with `final`, the last one even without its end."""
    while lines := tail.read().lines:
        yield from lines
    if final:
        yield from tail.read_unfinished()


def _follow(database: Database, run: RunRecord, tail: LogTail) -> int:
    """Print what is written until the run has ended, or does not go on by itself: then say why."""
    gone, watch = False, SilenceWatch()
    while True:
        # The state is read before the file: what a run wrote before it ended is then surely printed.
        submit.reconcile(database)
        try:
            run = store.get(database, run.id)
        except RunNotFound:
            gone = True
        obstacle = obstacle_of(run, gone=gone)
        if not gone and (news := watch.news(run, time.time())) is not None:
            note(news)
        over = run.status.is_terminal or obstacle is not None
        _print(_read_on(tail, final=over))
        if over:
            break
        wait(_POLL_SECONDS)
    if obstacle is None:
        return Exit.OK
    note(f"Run {run.id}: {plain(obstacle)}")
    return Exit.FAILED


def _print(lines: Iterable[str]) -> int:
    """Print lines as they are read; gives how many there were."""
    printed = 0
    for line in lines:
        sys.stdout.write(line + "\n")
        printed += 1
    sys.stdout.flush()
    return printed
