"""How long the store takes to read: lists and charts, beside 10,000 runs and 50 million steps.

    python -m tests.benchmarks.build_store /tmp/large.db
    ITOP_BENCHMARK_STORE=/tmp/large.db python -m pytest tests/benchmarks/test_store_reading.py -m benchmark -s

Without the variable a smaller database is built first: 1,000 runs with 3 million steps, in a minute or less. The
figures are printed; the fastest of several turns is held to, since whatever else the machine does only adds to it.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from db.history import metrics
from db.records import RunQuery
from db.runs import runs
from db.session import Database
from tests.benchmarks.build_store import LONG, LONG_RUNS, build

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(600)]

_LONG_IDS = list(range(1, LONG_RUNS + 1))


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    named = os.environ.get("ITOP_BENCHMARK_STORE")
    path = Path(named) if named else tmp_path_factory.mktemp("large") / "itop.db"
    if not named:
        build(path, runs=1_000, rows=3_000_000)
    with closing(Database.open(str(path))) as db:
        yield db


def _hold(what: str, call: Callable[[], object], limit: float) -> None:
    taken = []
    for _ in range(15):
        began = time.perf_counter()
        call()
        taken.append(1e3 * (time.perf_counter() - began))
    print(f"\n{what}: fastest {min(taken):.1f} ms, median {statistics.median(taken):.1f} ms, first {taken[0]:.1f} ms")
    assert min(taken) < 1e3 * limit


def test_the_first_page_of_the_list(large: Database) -> None:
    count = runs.count(large)
    _hold(f"the first page of {count:,} runs", lambda: runs.list_runs(large, RunQuery(limit=60)), 0.1)


@pytest.mark.parametrize("buckets", [200, 400])
def test_a_chart_of_a_long_run(large: Database, buckets: int) -> None:
    curve = metrics.series(large, 1, "loss", buckets=buckets)
    assert curve.steps[-1] == LONG - 1
    _hold(
        f"one run of {LONG:,} steps in {buckets} columns",
        lambda: metrics.series(large, 1, "loss", buckets=buckets),
        0.1,
    )


def test_a_part_of_a_long_run(large: Database) -> None:
    _hold(
        "10,000 steps of it in 400 columns",
        lambda: metrics.series(large, 1, "loss", first=40_000, last=50_000, buckets=400),
        0.1,
    )


def test_a_comparison_of_eight_long_runs(large: Database) -> None:
    _hold(
        f"{LONG_RUNS} runs of {LONG:,} steps in 400 columns",
        lambda: metrics.several(large, _LONG_IDS, ["loss"], buckets=400),
        0.1,
    )


def test_the_small_curves_of_a_page(large: Database) -> None:
    page = [run.id for run in runs.list_runs(large, RunQuery(limit=60))]
    _hold("60 small curves", lambda: metrics.sparks(large, page, points=16), 0.1)
