"""What is asked of runs that are queued or active: stop, kill, pause, unpause, write a checkpoint; and giving them up.

The functions of this package are called in threads, never on an event loop. They import the database when they are
called, so that the app's first frame does not wait for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from db.records import BatchResult, CommandKind, RunRecord
    from db.session import Database


def ask(db: Database, run_ids: Iterable[int], kind: CommandKind) -> BatchResult:
    """Send runs a command, which each carries out between two steps; a queued run is stopped at once."""
    return _send(db, dict.fromkeys(run_ids, kind))


def stop(db: Database, run_ids: Iterable[int]) -> BatchResult:
    """Ask runs to write a checkpoint and end."""
    return ask(db, run_ids, "stop")


def checkpoint_now(db: Database, run_ids: Iterable[int]) -> BatchResult:
    """Ask runs to write a checkpoint between two steps, and to continue."""
    return ask(db, run_ids, "checkpoint")


def pause_all(db: Database, runs: Iterable[RunRecord]) -> BatchResult:
    """Pause runs, and unpause those that are paused."""
    return _send(db, {run.id: "unpause" if run.status == "paused" else "pause" for run in runs})


def _send(db: Database, kinds: Mapping[int, CommandKind]) -> BatchResult:
    """Send commands to those runs that may answer; of the others the result says why they cannot."""
    from db.records import BatchResult
    from db.runs import commands, runs
    from engine.launch.give_up import unreachable

    found = runs.get_many(db, kinds)
    silent = {run.id: why for run in found if (why := unreachable(db, run)) is not None}
    result = commands.send_many(db, {run_id: kind for run_id, kind in kinds.items() if run_id not in silent})
    return BatchResult(result.done, (*result.problems, *silent.values()))


def give_up(db: Database, run_ids: Iterable[int]) -> BatchResult:
    """End runs whose machine is gone, as lost. Waits some seconds for a sign of life of each."""
    from engine.launch.give_up import give_up as end

    return each(run_ids, lambda run_id: end(db, run_id))


def kill(db: Database, run_ids: Iterable[int]) -> BatchResult:
    """End the processes of runs at once."""
    from engine.launch import submit

    return each(run_ids, lambda run_id: submit.kill(db, run_id))


def each(run_ids: Iterable[int], what: Callable[[int], object]) -> BatchResult:
    """Do something to one run after the other, where more than the database is concerned; a problem stops no other."""
    from db.errors import ReadOnlyDatabase, StoreError
    from db.records import BatchResult

    done: list[int] = []
    problems: list[str] = []
    for run_id in run_ids:
        try:
            what(run_id)
        except ReadOnlyDatabase:  # it stops all of them, and is said once
            raise
        except (StoreError, OSError) as error:
            problems.append(str(error))
        else:
            done.append(run_id)
    return BatchResult(tuple(done), tuple(problems))
