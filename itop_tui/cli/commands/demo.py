"""`itop demo`: a short tour on real, bundled data."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.text import Text

from db.errors import RunNotFound
from db.records import RunRecord, RunStatus
from db.runs import attempts
from db.runs import runs as store
from db.session import Database
from engine.config.presets import PRESETS
from engine.config.run_config import RunConfig
from itop_tui.cli.errors import Exit
from itop_tui.cli.follow import follow
from itop_tui.cli.parameters import Json
from itop_tui.cli.queueing import start_scheduler
from itop_tui.cli.store import opened
from itop_tui.cli.terminal import Column, console, data, next_steps, print_table, state
from itop_tui.figures.comparison import seconds_taken
from itop_tui.figures.format import duration, explored, percent, r_s, share, short_count
from itop_tui.service import launching
from itop_tui.service.json_shape import print_json

_COLUMNS = (
    Column("RUN", lambda run: str(run.id), right=True),
    Column("METHOD", lambda run: data(run.method)),
    Column("STATE", lambda run: state(run.status.value), rank=4),
    Column("TEST ACC", lambda run: percent(run.test_accuracy), right=True),
    Column("DENSITY", lambda run: share(run.density), right=True),
    Column("R_S", lambda run: r_s(explored(run)), right=True),
    Column("FLOPS", lambda run: short_count(run.training_flops), right=True, rank=2),
    Column("OF DENSE", lambda run: percent(run.flops_ratio, 0), right=True, rank=1),
)


def demo(*, json: Json = False) -> int:
    """Train dense, SET-ITOP and RigL-ITOP on the bundled digits, and compare them.

    The three are ordinary runs, by the same scheduler and workers as any other; Ctrl-C leaves them going.
    """
    out = console(stderr=json)
    with opened() as database:
        out.print(Text(_introduction(PRESETS[launching.DEMO_PRESETS[-1]].config())))
        out.print()
        queued = launching.queue_demo(database)
        start_scheduler(database, queued)
        ended = follow(database, [run.id for run in queued], out=out)
        finished = [store.get(database, run.id) for run in queued] if ended is None else ended
        now = time.time()
        taken = {run.id: _seconds(database, run, now) for run in queued}
    if json:
        print_json(finished)
    elif ended is not None:
        _print_results(finished, taken, out)
    if ended is None:
        return Exit.INTERRUPTED
    return Exit.OK if all(run.status is RunStatus.COMPLETED for run in finished) else Exit.FAILED


def _seconds(database: Database, run: RunRecord, now: float) -> float | None:
    """How long a run took; None where it was deleted meanwhile."""
    try:
        return seconds_taken(attempts.for_run(database, run.id), now)
    except RunNotFound:
        return None


def _introduction(sparse: RunConfig) -> str:
    return (
        f"{sparse.model} on {sparse.data}, real handwritten digits: once dense, twice with {share(sparse.density)} of "
        "its weights, which SET-ITOP regrows at random and RigL-ITOP by gradient. R_s is the share of weights that "
        "were ever active."
    )


def _print_results(finished: Sequence[RunRecord], taken: Mapping[int, float | None], out: Console) -> None:
    out.print()
    time_column = Column("TIME", lambda run: duration(taken[run.id]), right=True, rank=3)
    print_table((*_COLUMNS, time_column), finished, out=out)
    out.print()
    first, last = finished[0], finished[-1]
    steps = [
        ("itop", "open the app: these runs with live charts, and a form for your own"),
        (f"itop show {last.id}", "everything about one run"),
        (f"itop compare {' '.join(str(run.id) for run in finished)}", "settings and results side by side"),
        (f"itop resume {last.id} --checkpoint best", "resume from its best checkpoint"),
    ]
    failed = [run for run in finished if run.status is not RunStatus.COMPLETED]
    if failed:
        steps = [(f"itop logs {run.id}", "why it ended") for run in failed]
        steps.append(("itop doctor", "what is wrong here, and how to fix it"))
        first = failed[0]
    out.print(Text("Next, type:" if not failed else f"Run {first.id} did not complete. Next, type:"))
    next_steps(steps, out=out)
