"""A queue of 41,000 runs: what reading it costs, as people, the app and the scheduler do."""

from __future__ import annotations

import contextlib
import io
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from db.runs import queue, runs
from db.runs.runs import NewRun
from db.session import Database
from engine.launch import submit
from itop_tui.cli.application import run
from itop_tui.queue import queue_state
from tests.db.helpers import CONFIG, fastest
from tests.described import described

_RUNS = 41_000


@pytest.mark.benchmark
def test_the_queue_of_41000_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ITOP_HOME", str(tmp_path))
    monkeypatch.setattr(submit, "ensure_scheduler", lambda _: None)
    with closing(Database.open()) as db:
        for start in range(0, _RUNS, 1000):
            runs.create_many(db, [NewRun(**described(CONFIG), name=f"r{start + number}") for number in range(1000)])
        looked = fastest(lambda: queue.queued(db, limit=2_000))
        print(f"first 2,000 of {_RUNS:,} queued runs: {looked:.2f} s")
        print(f"a refresh of the app's queue: {fastest(lambda: queue_state.read(db)):.2f} s")
        print(f"place of one: {fastest(lambda: queue.places(db, [_RUNS])):.2f} s")

    def command(*words: str) -> None:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            assert run(list(words)) == 0

    for words in (("queue",), ("queue", "--json"), ("runs",), ("hold", "40000")):
        print(f"itop {' '.join(words)}: {fastest(partial(command, *words), 3):.2f} s")
