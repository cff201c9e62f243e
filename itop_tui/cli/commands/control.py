"""`itop stop`, `pause`, `unpause`, `checkpoint`, `kill` and `give-up`: what is asked of active runs."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable
from typing import Literal

from rich.text import Text

from db.errors import DatabaseFull
from db.records import CommandKind, RunRecord, RunStatus
from db.runs import commands
from db.runs import runs as store
from db.session import Database
from engine.launch import submit
from itop_tui.cli.errors import Exit
from itop_tui.cli.parameters import Json, RunNames
from itop_tui.cli.store import find_all, opened
from itop_tui.cli.terminal import console, data, note, state
from itop_tui.service import run_requests
from itop_tui.service.json_shape import document, print_json

_ANSWER_SECONDS = 2.0
_POLL_SECONDS = 0.05


_Done = Callable[[RunRecord, "str | None"], bool]
"""Whether what was asked of a run is done, by the run as it is now and its answer."""


def stop(*run: RunNames, json: Json = False) -> int:
    """Stop runs; each writes a checkpoint first, from which `itop resume` continues."""
    return _ask(run, "stop", _has_ended, json=json)


def kill(*run: RunNames, json: Json = False) -> int:
    """End runs at once, without a checkpoint; what they recorded until then is kept."""
    return _ask(run, "kill", _has_ended, json=json)


def pause(*run: RunNames, json: Json = False) -> int:
    """Pause runs; their memory, on the device too, stays allocated until they continue."""
    return _ask(run, "pause", lambda run, _: run.status is RunStatus.PAUSED, json=json)


def unpause(*run: RunNames, json: Json = False) -> int:
    """Let paused runs continue."""
    return _ask(run, "unpause", lambda run, _: run.status is RunStatus.RUNNING, json=json)


def checkpoint(*run: RunNames, json: Json = False) -> int:
    """Let runs save a checkpoint now, beside those they write by themselves; they continue afterwards."""
    return _ask(run, "checkpoint", lambda _, answer: answer is not None, json=json)


def give_up(*run: RunNames, json: Json = False) -> int:
    """End runs whose machine is gone, as lost; each may then be resumed or deleted.

    A run that still gives signs of life is refused. Where the last one is recent, this waits up to 15 seconds for the
    next. Should its worker live after all, it records nothing more and ends itself.
    """
    return _ask(run, "give-up", _has_ended, json=json)


def _has_ended(run: RunRecord, _: str | None) -> bool:
    return run.status.is_terminal


_OUTRIGHT = {"kill": run_requests.kill, "give-up": run_requests.give_up}
"""What no command is sent for."""


def _ask(names: Iterable[str], verb: CommandKind | Literal["kill", "give-up"], done: _Done, *, json: bool) -> int:
    """Ask something of runs, and wait a little for the answers; 1 where any was refused, not where one is pending."""
    with opened() as database:
        ids = [run.id for run in find_all(database, names)]
        if verb == "kill" or verb == "give-up":
            asked = _OUTRIGHT[verb](database, ids)
        else:
            asked = run_requests.ask(database, ids, verb)
        note(*(f"itop: {problem}" for problem in asked.problems))
        # A run that was killed or given up was sent no command.
        sent = {
            run_id: max((one.id for one in commands.for_run(database, run_id) if one.kind == verb), default=None)
            for run_id in asked.done
        }
        latest = _await(database, sent, done)
    if json:
        print_json([{**document(run), "answer": answer} for run, answer in latest])
    else:
        out = console()
        for run, answer in latest:
            out.print(_line(run, answer, done=done(run, answer), verb=verb), soft_wrap=True)
    return Exit.FAILED if asked.problems else Exit.OK


def _line(run: RunRecord, answer: str | None, *, done: bool, verb: str) -> Text:
    """Write in one line what has become of a request."""
    line = Text.assemble(f"run {run.id}  ", data(run.name), "  ", state(run.status.value))
    if run.status.is_terminal and run.reason:
        line.append_text(Text.assemble("  ", data(run.reason, "dim")))
    elif not done:
        line.append(f"  {verb} is pending: the run answers between two steps", style="dim")
    elif verb == "checkpoint":
        line.append_text(Text.assemble("  ", data(answer or "", "dim")))
    if run.status is RunStatus.PAUSED:
        line.append(" (memory still allocated)", style="dim")
    return line


def _await(database: Database, sent: dict[int, int | None], done: _Done) -> list[tuple[RunRecord, str | None]]:
    """Wait until everything is done, or a little while has passed; gives each run with its answer."""
    deadline = time.monotonic() + _ANSWER_SECONDS
    while True:
        with contextlib.suppress(DatabaseFull):  # said already; what is dead is recorded when there is room
            submit.reconcile(database)
        latest = [(store.get(database, run_id), _answer(database, run_id, command)) for run_id, command in sent.items()]
        if all(done(*each) or each[0].status.is_terminal for each in latest) or time.monotonic() > deadline:
            return latest
        time.sleep(_POLL_SECONDS)


def _answer(database: Database, run_id: int, command: int | None) -> str | None:
    return next((one.outcome for one in commands.for_run(database, run_id) if one.id == command), None)
