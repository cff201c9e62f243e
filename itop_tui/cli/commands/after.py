"""`itop after`: which runs a queued run starts after."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from cyclopts import Parameter

from db.records import BatchResult
from db.session import Database
from itop_tui.cli.commands.queue import change_queue
from itop_tui.cli.errors import UsageError
from itop_tui.cli.parameters import Json, RunName
from itop_tui.service import queue_changes
from itop_tui.service.starting_after import find_runs

_Others = Annotated[
    str, Parameter(name="OTHER", help="Runs that must have ended, in any way: ids, ranges (3..7) or unique names.")
]
_Completed = Annotated[
    tuple[str, ...],
    Parameter(name=["--ok"], help="A run that must have completed.", negative=(), metavar="RUN", show_default=False),
]
_Nothing = Annotated[
    bool, Parameter(name="--none", negative=(), show_default=False, help="Let it start after no other run.")
]


def after(run: RunName, *other: _Others, ok: _Completed = (), none: _Nothing = False, json: Json = False) -> int:
    """Let a queued run start after others, instead of those that it started after until now.

    It starts when all of them have ended; of those given with --ok, when they have completed. If one of these ends
    otherwise, the run is held. It is free again when that one is resumed.
    """
    if none == bool(other or ok):
        raise UsageError("which runs? Name at least one that it is to start after, or give --none: not both")

    def change(database: Database, run_ids: Sequence[int]) -> BatchResult:
        return queue_changes.start_after(database, run_ids, find_runs(database, other, ok))

    return change_queue([run], change, json=json)
