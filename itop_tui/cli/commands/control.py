"""`itop stop`, `pause`, `unpause` and `kill`: what is asked of runs that are going."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from rich.text import Text

from db import commands as command_store
from db import runs as store
from db.errors import StoreError
from db.records import RunRecord, RunStatus
from db.session import Database
from engine.launch import submit
from itop_tui.cli.errors import Exit
from itop_tui.cli.output import print_json, run_document
from itop_tui.cli.parameters import Json, RunNames
from itop_tui.cli.screen import console, data, note, state
from itop_tui.cli.store import find_all, opened

_ANSWER_SECONDS = 2.0
_POLL_SECONDS = 0.05


def stop(*run: RunNames, json: Json = False) -> int:
    """Stop runs; each writes a checkpoint first, so that `itop resume` can go on with it."""
    return _ask(run, submit.stop, lambda found: found.status.is_terminal, "stop", json=json)


def kill(*run: RunNames, json: Json = False) -> int:
    """End runs at once, without a checkpoint; what they recorded until then is kept."""
    return _ask(run, submit.kill, lambda found: found.status.is_terminal, "kill", json=json)


def pause(*run: RunNames, json: Json = False) -> int:
    """Pause runs; their memory, on the device too, stays held until they go on."""

    def send(database: Database, run_id: int) -> object:
        return command_store.send(database, run_id, "pause")

    return _ask(run, send, lambda found: found.status is RunStatus.PAUSED, "pause", json=json)


def unpause(*run: RunNames, json: Json = False) -> int:
    """Let paused runs go on."""

    def send(database: Database, run_id: int) -> object:
        return command_store.send(database, run_id, "unpause")

    return _ask(run, send, lambda found: found.status is RunStatus.RUNNING, "unpause", json=json)


def _ask(
    names: Iterable[str],
    ask: Callable[[Database, int], Any],
    done: Callable[[RunRecord], bool],
    verb: str,
    *,
    json: bool,
) -> int:
    """Ask something of each run, and wait a little for the answers.

    Args:
        names: The runs.
        ask: Sends the request for one run; raises `StoreError` with the reason where its state does not allow it.
        done: Whether a run is in the state that was asked for.
        verb: What was asked, for the messages.
        json: Whether to print the runs as a JSON list.

    Returns:
        1 where any request was refused, otherwise 0: one that is pending is not a failure.
    """
    with opened() as database:
        asked: list[int] = []
        refused = False
        for found in find_all(database, names):
            try:
                ask(database, found.id)
            except StoreError as error:
                refused = True
                note(f"itop: {error}")
            else:
                asked.append(found.id)
        latest = _await(database, asked, done)
    if json:
        print_json([run_document(run) for run in latest])
    else:
        out = console()
        for run in latest:
            told = Text.assemble(f"run {run.id}  ", data(run.name), "  ", state(run.status.value))
            if run.status.is_terminal and run.reason:
                told.append_text(Text.assemble("  ", data(run.reason, "dim")))
            elif not done(run):
                told.append(f"  {verb} is pending: the run answers between two steps", style="dim")
            if run.status is RunStatus.PAUSED:
                told.append("  its memory stays held", style="dim")
            out.print(told, soft_wrap=True)
    return Exit.FAILED if refused else Exit.OK


def _await(database: Database, ids: list[int], done: Callable[[RunRecord], bool]) -> list[RunRecord]:
    """Wait until all runs are as asked for, or a little while has passed."""
    deadline = time.monotonic() + _ANSWER_SECONDS
    while True:
        submit.reconcile(database)
        latest = [store.get(database, run_id) for run_id in ids]
        if all(done(run) or run.status.is_terminal for run in latest) or time.monotonic() > deadline:
            return latest
        time.sleep(_POLL_SECONDS)
