"""`itop stop`, `pause`, `unpause`, `checkpoint` and `kill`: what is asked of active runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from rich.text import Text

from db.records import BatchResult, CommandKind, CommandRecord, RunRecord, RunStatus
from db.runs import commands as command_store
from db.runs import runs as store
from db.session import Database
from engine.launch import submit
from itop_tui.cli.errors import Exit
from itop_tui.cli.parameters import Json, RunNames
from itop_tui.cli.store import find_all, opened
from itop_tui.cli.terminal import console, data, note, state
from itop_tui.service import run_requests
from itop_tui.service.json_shape import print_json, run_document

_ANSWER_SECONDS = 2.0
_POLL_SECONDS = 0.05


class _Asked(NamedTuple):
    """A run of which something was asked, as it is now, with the command that was sent if it was one."""

    run: RunRecord
    command: CommandRecord | None = None

    @property
    def answer(self) -> str | None:
        """What the run has answered."""
        return None if self.command is None else self.command.outcome


def stop(*run: RunNames, json: Json = False) -> int:
    """Stop runs; each writes a checkpoint first, from which `itop resume` continues."""
    return _ask(run, run_requests.stop, lambda asked: asked.run.status.is_terminal, "stop", json=json)


def kill(*run: RunNames, json: Json = False) -> int:
    """End runs at once, without a checkpoint; what they recorded until then is kept."""
    return _ask(run, run_requests.kill, lambda asked: asked.run.status.is_terminal, "kill", json=json)


def pause(*run: RunNames, json: Json = False) -> int:
    """Pause runs; their memory, on the device too, stays allocated until they continue."""
    return _ask(run, _sender("pause"), lambda asked: asked.run.status is RunStatus.PAUSED, "pause", json=json)


def unpause(*run: RunNames, json: Json = False) -> int:
    """Let paused runs continue."""
    return _ask(run, _sender("unpause"), lambda asked: asked.run.status is RunStatus.RUNNING, "unpause", json=json)


def checkpoint(*run: RunNames, json: Json = False) -> int:
    """Let runs save a checkpoint now, beside those they write by themselves; they continue afterwards."""
    return _ask(run, run_requests.checkpoint_now, lambda asked: asked.answer is not None, "checkpoint", json=json)


def _sender(kind: CommandKind) -> Callable[[Database, Sequence[int]], BatchResult]:
    return lambda database, run_ids: run_requests.ask(database, run_ids, kind)


def _ask(
    names: Iterable[str],
    ask: Callable[[Database, Sequence[int]], BatchResult],
    done: Callable[[_Asked], bool],
    verb: str,
    *,
    json: bool,
) -> int:
    """Ask something of runs, and wait a little for the answers.

    Args:
        names: The runs.
        ask: Sends the request.
        done: Whether what was asked for is done.
        verb: What was asked, for the messages.
        json: Whether to print the runs as a JSON list, each with its `answer`.

    Returns:
        1 where any request was refused, otherwise 0: one that is pending is not a failure.
    """
    with opened() as database:
        asked = ask(database, [run.id for run in find_all(database, names)])
        note(*(f"itop: {problem}" for problem in asked.problems))
        sent = {run_id: _sent(database, run_id, verb) for run_id in asked.done}
        latest = _await(database, sent, done)
    if json:
        print_json([{**run_document(one.run), "answer": one.answer} for one in latest])
    else:
        out = console()
        for one in latest:
            out.print(_line(one, done=done(one), verb=verb), soft_wrap=True)
    return Exit.FAILED if asked.problems else Exit.OK


def _sent(database: Database, run_id: int, verb: str) -> CommandRecord | None:
    """The command that a run was just sent; None where it was killed, which is no command."""
    sent = [one for one in command_store.for_run(database, run_id) if one.kind == verb]
    return sent[-1] if sent else None


def _line(asked: _Asked, *, done: bool, verb: str) -> Text:
    """Write in one line what has become of a request."""
    run = asked.run
    line = Text.assemble(f"run {run.id}  ", data(run.name), "  ", state(run.status.value))
    if run.status.is_terminal and run.reason:
        line.append_text(Text.assemble("  ", data(run.reason, "dim")))
    elif not done:
        line.append(f"  {verb} is pending: the run answers between two steps", style="dim")
    elif verb == "checkpoint":
        line.append_text(Text.assemble("  ", data(asked.answer or "", "dim")))
    if run.status is RunStatus.PAUSED:
        line.append(" (memory still allocated)", style="dim")
    return line


def _await(database: Database, sent: dict[int, CommandRecord | None], done: Callable[[_Asked], bool]) -> list[_Asked]:
    """Wait until everything is done, or a little while has passed."""
    deadline = time.monotonic() + _ANSWER_SECONDS
    while True:
        submit.reconcile(database)
        latest = [_Asked(store.get(database, run_id), _now(database, command)) for run_id, command in sent.items()]
        if all(done(asked) or asked.run.status.is_terminal for asked in latest) or time.monotonic() > deadline:
            return latest
        time.sleep(_POLL_SECONDS)


def _now(database: Database, command: CommandRecord | None) -> CommandRecord | None:
    """A command as it is now."""
    if command is None or command.done_at is not None:
        return command
    return next(one for one in command_store.for_run(database, command.run_id) if one.id == command.id)
