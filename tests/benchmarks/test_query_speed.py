"""How long a key of a filter takes with 10,000 runs: reading, searching, grouping and completing.

Run with `-m benchmark --benchmark-enable -s`; the figures are printed. They are processor time of the calling thread,
in which SQLite does its work too, so that whatever else the machine does hardly adds to it; the fastest of several
turns is held to.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa

from db.finding import grouping
from db.models import RunRow
from db.query import complete, known_values, parse
from db.records import RunQuery, RunRecord, RunStatus
from db.runs import runs, shelf
from db.runs.facets import facets
from db.session import Database
from engine.config.experiments import as_stored
from engine.config.run_config import RunConfig
from tests.described import described

pytestmark = pytest.mark.benchmark
RUNS, LIMIT = 10_000, 0.1
_STATES = tuple(status for status in RunStatus if status.is_terminal)

# The cheapest, typical ones, and the slowest that make sense: several settings, none of which excludes many runs.
QUERIES = (
    "",
    "vgg rigl 99",
    "state:completed density<0.1 growth:gradient tag:paper acc>=0.93 name~run",
    "growth:gradient update_frequency>=1000",
    "-growth:gradient or (lr>0.5 optimizer:adam)",
    "is:starred or loss:nan or duration>1h",
    "created>2d -tag:old",
    "config.growth:grad",
    "weights:x or save:x or data_dir:x or optimizer:x or death:x or precision:x or decay_schedule:x or l2>1",
)


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with closing(Database.open(str(tmp_path_factory.mktemp("many") / "itop.db"))) as database:
        _fill(database)
        yield database


def _fill(database: Database) -> None:
    chance = random.Random(1)
    first = runs.create(database, **as_stored(RunConfig.create(sparse=True)))
    with database.write() as session:
        row = session.get_one(RunRow, first.id)
        same = {name: getattr(row, name) for name in RunRecord.__dataclass_fields__ if name != "id"}
        session.execute(sa.insert(RunRow), [same | _row(chance, index, same["config"]) for index in range(RUNS)])


def _row(chance: random.Random, index: int, config: dict[str, Any]) -> dict[str, Any]:
    """One of 600 recipes, with one of 20 seeds."""
    recipe = random.Random(index % 600)
    config = config | {
        "model": "vgg-c",
        "data": "cifar10",
        "seed": index // 600,
        "density": recipe.choice([0.05, 0.1, 0.2]),
        "growth": recipe.choice(["random", "gradient"]),
        "update_frequency": recipe.choice([100, 1000, 4000]),
        "lr": recipe.randrange(1, 100) / 100,
    }
    figures = {name: chance.random() for name in ("loss", "best_val_accuracy", "test_accuracy", "itop_rate")}
    return facets(**described(config)) | figures | {
        "config": config,
        "uid": f"{index:012d}",
        "name": f"run {index}",
        "tags": chance.choice([("paper",), ("old", "paper"), ()]),
        "status": chance.choice(_STATES),
        "started_at": time.time() - 5_000,
        "ended_at": time.time() - chance.random() * 4_000,
        "starred_at": chance.choice([None, 1.0]),
        "nonfinite": 0,
    }  # fmt: skip


def _held_to(what: str, call: Callable[[], object], limit: float = LIMIT) -> None:
    turns: list[float] = []
    for _ in range(7):
        before = time.thread_time()
        call()
        turns.append(time.thread_time() - before)
    taken = min(turns)
    print(f"\n{what}: {taken * 1e3:.1f} ms", end="")
    assert taken < limit, what


@pytest.mark.parametrize("text", QUERIES)
def test_a_key_of_the_filter(db: Database, text: str) -> None:
    query = RunQuery(text=text, limit=200)
    _held_to(f"the page of {text!r}", lambda: runs.list_runs(db, query))
    _held_to("  and its count", lambda: runs.count(db, query))


@pytest.mark.parametrize(
    "sort", ["id", "best_val_accuracy", "name", "progress", "duration", "config.growth", "config.lr"]
)
def test_sorting(db: Database, sort: str) -> None:
    _held_to(f"sorted by {sort}", lambda: runs.list_runs(db, RunQuery(sort=sort, limit=200)))


@pytest.mark.parametrize("by", ["recipe", "model", "seed", "growth", "tag"])
def test_grouping(db: Database, by: str) -> None:
    _held_to(f"groups by {by}", lambda: grouping.groups(db, by=by))


def test_typing(db: Database) -> None:
    text = QUERIES[-1]
    _held_to("parsing", lambda: parse(text), 0.01)
    _held_to("completing a field", lambda: complete("den", 3), 0.01)
    for field in ("tag", "growth", "lr", "density"):
        _held_to(f"the values of {field}", partial(known_values, db, field))


def test_marking_thousands(db: Database) -> None:
    _held_to("starring 5,000 runs", lambda: shelf.star(db, range(1, 5_001)), 0.5)
