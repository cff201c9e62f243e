"""How long the list of runs takes with 10,000 of them: to its first page, and to answer each key of a filter.

Run with `-m benchmark --benchmark-enable -s`; the figures are printed. Times hold on two cores that do nothing else.
"""

from __future__ import annotations

import gc
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from db.models import RunRow
from db.query import parse
from db.runs import runs
from db.session import Database
from engine.config.experiments import as_stored
from engine.config.presets import PRESETS
from itop_tui.app import ItopApp
from itop_tui.poller import DatabaseReader, View
from itop_tui.runs import list_state
from itop_tui.runs.runs_screen import RunsScreen
from tests.benchmarks.measuring import spread
from tests.itop_tui.run.hosting import StillReader, until

pytestmark = pytest.mark.benchmark
RUNS = 10_000
FIRST_PAGE_SECONDS, KEY_SECONDS = 0.7, 0.1
QUERY = "state:completed density<0.1 growth:gradient acc>=0.93 name~rigl"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder whose database holds 10,000 runs; made in one transaction."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ITOP_HOME", str(folder))
        patch.delenv("ITOP_DATABASE_URL", raising=False)
        database = Database.open()
        made = [
            runs.create(database, **as_stored(PRESETS[name].config(seed=0)), tags=("paper",), total_steps=1720)
            for name in ("digits-dense", "digits-static", "digits-set", "digits-rigl")
        ]
        names = [column.key for column in sa.inspect(RunRow).column_attrs if column.key != "id"]
        with database.write() as session:
            rows = [session.get(RunRow, run.id) for run in made]
            copies = [{name: getattr(row, name) for name in names} for row in rows]
            session.execute(
                sa.insert(RunRow),
                [
                    copies[number % 4]
                    | {
                        "uid": f"{number:012x}",
                        "name": f"{copies[number % 4]['name']}-{number}",
                        "status": "completed",
                        "seed": number % 5,
                        "recipe": f"{number // 20:016x}",
                        "best_val_accuracy": 0.9 + (number % 97) / 1000,
                    }
                    for number in range(len(made), RUNS)
                ],
            )
            session.execute(sa.update(RunRow).values(status="completed"))
        database.close()
    return folder


@pytest.fixture(autouse=True)
def here(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ITOP_HOME", str(home))
    monkeypatch.delenv("ITOP_DATABASE_URL", raising=False)


def _first_page(home: Path) -> float:
    """Type the command on a terminal, and measure the time to a line of the list."""
    master, slave = pty.openpty()
    os.set_blocking(master, False)
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40", "ITOP_HOME": str(home)}
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "itop_tui"], stdin=slave, stdout=slave, stderr=slave, env=environment, close_fds=True
    )
    shown = b""
    try:
        while b"completed" not in shown:
            assert time.perf_counter() - began < 30, shown[-2000:]
            if select.select([master], [], [], 0.05)[0]:
                shown += os.read(master, 65_536)
        return time.perf_counter() - began
    finally:
        process.kill()
        process.wait()
        os.close(master)
        os.close(slave)


def test_the_first_page_is_there_soon_after_the_command_is_typed(home: Path) -> None:
    taken = [_first_page(home) for _ in range(5)]
    print(f"\nfirst page of {RUNS:,} runs: {spread(taken)}")
    assert min(taken) < FIRST_PAGE_SECONDS


async def test_each_key_of_a_filter_is_answered_soon(home: Path) -> None:
    gc.disable()  # as `itop` starts: the app begins to collect once its list is there
    app = ItopApp(Database.open, reader=StillReader)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.snapshot is not None, "the list")
        await until(pilot, gc.isenabled, "the end of the start")
        screen = app.screen
        assert isinstance(screen, RunsScreen)
        await pilot.press("slash")
        taken: dict[str, float] = {}
        for end in range(1, len(QUERY) + 1):
            text = QUERY[:end].strip()
            asked = list_state.problem_of(text) is None and text != screen.pane.view.text
            began = time.perf_counter()
            screen.pane.filter_line.put(QUERY[:end])
            if asked:
                while app.snapshot is None or app.snapshot.view.text != text:
                    await _turn()
                taken[text] = time.perf_counter() - began
        assert parse(screen.pane.view.text).root is not None
    print(f"\na key of a filter over {RUNS:,} runs: {spread(list(taken.values()))}")
    for text in sorted(taken, key=lambda typed: -taken[typed])[:3]:
        print(f"  {taken[text] * 1e3:.0f} ms: {text}")
    assert max(taken.values()) < KEY_SECONDS


def test_what_a_page_and_the_groups_cost() -> None:
    database = Database.open()
    reader = DatabaseReader(database)
    figures = list_state.figures(())
    for what, view in {
        "a page": View(),
        "a page, filtered": View(text=QUERY),
        "a page, by a setting": View(sort="config.lr"),
        "groups by seeds": View(by="recipe", figures=figures),
        "groups by a setting": View(by="growth", figures=figures),
    }.items():
        taken = []
        for _ in range(5):
            began = time.perf_counter()
            reader.read(view)
            taken.append(time.perf_counter() - began)
        print(f"\n{what}: {spread(taken)}", end="")
        # What is shown may be a second old at most.
        assert min(taken) < 1.0, what
    began = time.perf_counter()
    list_state.suggested(database, "model:", 6)
    print(f"\nvalues of a field: {(time.perf_counter() - began) * 1e3:.0f} ms")
    database.close()


async def _turn() -> None:
    import asyncio

    await asyncio.sleep(0.001)
