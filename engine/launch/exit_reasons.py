"""How a worker ended, in a state and words a person understands.

The warden writes what the kernel reported to the exit file; here that becomes a verdict. Warden and `submit.reconcile`
use the same rules, so it does not matter which of them records it.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from db.records import RunStatus
from engine.config import durations
from engine.config.catalogue import is_reference
from engine.launch.processes import signal_name

EXIT_STOPPED = 3  # the worker's own code for "stopped as asked, checkpoint written"
EXIT_NO_DATABASE = 75  # its own code for "the database does not answer, nothing was begun" (EX_TEMPFAIL)

KILLED_BY_USER = "killed by user"
VANISHED = "the process vanished without a word"
REBOOTED = "host rebooted"
NEVER_STARTED = "never started: no process came up for it"

_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(?:Error|Exception|Interrupt|Exit|Warning)\b(?::|$)")
"""The last line of a traceback."""


class Ending(NamedTuple):
    """The end of an attempt as `db.runs.attempts.finish` takes it; the reason is empty where there is nothing to say.

    `retry_may_help` says that trying again may help, should the attempt have ended before its first step: the cause is
    none that comes again at every try. `unexplained` says that the worker left no report although it could have:
    something ended it from inside.
    """

    status: RunStatus
    reason: str
    exit_code: int | None = None
    signal: int | None = None
    ended_at: float | None = None  # unix seconds, None for now
    traceback: str | None = None
    retry_may_help: bool = False
    unexplained: bool = False

    def as_dict(self) -> dict[str, Any]:
        """The parts by name, for a JSON file."""
        return self._asdict()

    @classmethod
    def from_dict(cls, values: object) -> Ending | None:
        """The inverse of `as_dict`; None for what it never wrote."""
        if not isinstance(values, Mapping):
            return None
        try:
            status = RunStatus(values["status"])
            known = {name: values[name] for name in cls._fields if name in values}
        except (KeyError, ValueError):
            return None
        return cls(**{**known, "status": status}) if status.is_terminal and "reason" in known else None


def out_of_time(limit: float) -> str:
    """The reason of a run that was stopped at its time limit.

    >>> out_of_time(43_200.0)
    'time limit of 12 h reached'
    """
    return f"time limit of {durations.spoken(limit)} reached"


def verdict(record: Mapping[str, Any], *, kill_asked: bool) -> Ending:
    """Judge an exit that the worker itself has not explained in the database.

    Args:
        record: What the warden saw: `exit_code` or `signal`; `problem` if the worker could not even be started;
            `said` if the worker left a report that it may not have written to the database; `stop_forwarded` if the
            warden passed a request to stop on; `time_limit` in seconds if the warden had to end the worker for it;
            `who` it was, where other processes trained with it;
            `out_of_memory` if the kernel killed for lack of memory just then; `peak_memory` in bytes; `last_line` of
            the console; `ended_at`.
        kill_asked: Whether a person asked to kill it.
    """
    ended_at = record.get("ended_at")
    ending = Ending.from_dict(record.get("said")) or _judge(record, kill_asked)
    return ending._replace(ended_at=float(ended_at)) if isinstance(ended_at, int | float) else ending


def _judge(record: Mapping[str, Any], kill_asked: bool) -> Ending:
    code, number = record.get("exit_code"), record.get("signal")
    if problem := record.get("problem"):
        return Ending(RunStatus.FAILED, str(problem), code, retry_may_help=True)
    limit = record.get("time_limit")
    if isinstance(limit, int | float) and not kill_asked:
        how = "" if number is None else f"; it did not answer and was ended by {signal_name(int(number))}"
        return Ending(RunStatus.STOPPED, out_of_time(limit) + how, code, number)
    if number is not None:
        return _killed(record, int(number), kill_asked)
    if code == EXIT_STOPPED:
        return Ending(RunStatus.STOPPED, "stopped", code, unexplained=not record.get("stop_forwarded"))
    line = record.get("last_line")
    if code == EXIT_NO_DATABASE:
        return Ending(RunStatus.FAILED, str(line or "the database did not answer"), code, retry_may_help=True)
    if code == 0:
        # A worker records its result before it exits, so this one was ended by something else from inside.
        reason = "exited with code 0 before it had recorded a result"
    elif not line:
        reason = f"exited with code {code} and printed nothing"
    else:
        reason = str(line) if _EXCEPTION.match(str(line)) else f"exited with code {code}; its last line: {line}"
    return Ending(RunStatus.FAILED, reason, code, unexplained=True)


def before_first_step(ending: Ending, modules: Sequence[str]) -> Ending:
    """Say of an end that came unasked and unexplained before the first step what may have caused it.

    Args:
        ending: The end.
        modules: The modules of the run's custom model and data set, which can end the process.
    """
    if not ending.unexplained or _EXCEPTION.match(ending.reason):
        return ending
    reason = f"the worker ended with exit code {ending.exit_code} before its first step"
    if modules:
        reason += f": does {' or '.join(modules)} call {'sys.exit() or ' if ending.exit_code == 0 else ''}os._exit()?"
    line = ending.reason.partition("; its last line: ")[2]
    if line:
        reason += f"{'' if modules else '.'} Its last line: {line}"
    return ending._replace(status=RunStatus.FAILED, reason=reason)


def own_modules(config: Mapping[str, Any]) -> list[str]:
    """The modules of a run's custom model and data set."""
    named = (config.get(name) for name in ("model", "data"))
    return list(dict.fromkeys(one.rpartition(":")[0] for one in named if isinstance(one, str) and is_reference(one)))


def _killed(record: Mapping[str, Any], number: int, kill_asked: bool) -> Ending:
    if kill_asked:
        return Ending(RunStatus.KILLED, KILLED_BY_USER, signal=number)
    who = f"{record['who']} was " if record.get("who") else ""
    if number == signal.SIGKILL and record.get("out_of_memory"):
        peak = record.get("peak_memory")
        reason = f"out of memory: {who}killed by the kernel"
        if peak:
            reason += f" (its memory had reached {int(peak) / 2**30:.1f} GiB)"
        return Ending(RunStatus.KILLED, reason, signal=number, retry_may_help=True)
    if number == signal.SIGTERM and record.get("stop_forwarded"):
        # The signal came before the worker had set up its handler: there was nothing to save yet.
        return Ending(RunStatus.STOPPED, "stopped before training began", signal=number)
    reason = f"{who}killed by {signal_name(number)} (signal {number})"
    return Ending(RunStatus.KILLED, reason, signal=number, retry_may_help=True)
