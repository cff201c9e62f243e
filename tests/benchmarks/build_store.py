"""Build a large database to measure on: `python -m tests.benchmarks.build_store PATH [--runs N] [--rows N]`.

By default 10,000 runs with 50 million steps among them, eight of 100,000 steps and the others of one length. It takes
about 120 bytes a step of disk. The steps are made once for the long runs, as a run would record them, and copied within
SQLite to the others; nothing guards the file against a crash meanwhile.
"""

from __future__ import annotations

import argparse
import math
import random
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from db.history import levels
from db.models import STEP_METRICS, RunRow, StepMetricRow
from db.records import RunStatus
from db.session import Database
from tests.db.helpers import CONFIG, new_run

__all__ = ["LONG", "LONG_RUNS", "build"]

LONG = 100_000  # steps of a long run
LONG_RUNS = 8  # ids 1 to 8
_BATCH = 5_000
_MODELS = ("vgg-c", "ResNet-18", "wrn-28-2", "mlp-cifar10")
_METHODS = ("SET-ITOP", "RigL-ITOP", "dense", "static")


def build(path: Path, *, runs: int = 10_000, rows: int = 50_000_000) -> None:
    """Make the database.

    Args:
        path: The file, which must not exist.
        runs: How many runs.
        rows: How many steps among all of them.
    """
    with closing(Database.open(str(path))) as db:
        for seed in range(LONG_RUNS):
            _record_long(db, new_run(db, name=f"long {seed}", total_steps=LONG).id, seed)
        _add_runs(db, runs - LONG_RUNS)
    short = (rows - LONG_RUNS * LONG) // (runs - LONG_RUNS)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -500000")
        connection.execute("BEGIN")
        for run_id in range(LONG_RUNS + 1, runs + 1):
            _copy(connection, 1 + run_id % LONG_RUNS, run_id, short)
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = WAL")


def _record_long(db: Database, run_id: int, seed: int) -> None:
    generator = random.Random(seed)
    for start in range(0, LONG, _BATCH):
        batch: list[dict[str, Any]] = []
        for step in range(start, start + _BATCH):
            part = step / LONG
            batch.append(
                {
                    "run_id": run_id,
                    "step": step,
                    "epoch": step // 391,
                    "loss": 2.3 * math.exp(-3 * part) + 0.1 * generator.random() if step % 9973 else math.nan,
                    "accuracy": generator.randrange(129) / 128,
                    "learning_rate": 0.1 if part < 0.5 else 0.01,
                    "death_rate": 0.25 * (1 + math.cos(math.pi * part)),
                    "density": 0.05,
                    "itop_rate": 0.05 + 0.5 * (step // 1500) * 1500 / LONG,
                    "samples_per_second": 20_000 + 500 * generator.random(),
                    "at": 1.7e9 + step * 0.01,
                }
            )
        with db.write() as session:
            session.execute(sa.insert(StepMetricRow), [STEP_METRICS.encode(row) for row in batch])
            levels.seal(session, run_id, start, start + _BATCH - 1)


def _add_runs(db: Database, count: int) -> None:
    generator = random.Random(1)
    with db.write() as session:
        template = session.execute(sa.select(*sa.inspect(RunRow).columns).limit(1)).one()._mapping
        rows = []
        for index in range(count):
            model, method = generator.choice(_MODELS), generator.choice(_METHODS)
            best = generator.random()
            ended = 1.7e9 + 600 * index
            rows.append(
                dict(template)
                | {
                    "id": LONG_RUNS + 1 + index,
                    "uid": f"{index:012x}",
                    "name": f"{method.lower()}-d0.05-s{index % 5}-{model}-{index}",
                    "status": RunStatus.COMPLETED,
                    "config": CONFIG | {"seed": index % 5, "model": model},
                    "tags": ("paper",) if index % 3 else (),
                    "model": model,
                    "method": method,
                    "seed": index % 5,
                    "created_at": ended - 500,
                    "ended_at": ended,
                    "loss": generator.random(),
                    "best_val_accuracy": best,
                    "val_accuracy": best,
                    "recipe": f"{index // 5:016x}",
                }
            )
        names = {column.name: key for key, column in sa.inspect(RunRow).columns.items()}
        session.execute(sa.insert(RunRow), [{names.get(key, key): value for key, value in row.items()} for row in rows])


def _copy(connection: sqlite3.Connection, source: int, target: int, steps: int) -> None:
    for table, order, kept in (
        ("step_metrics", "step", "step < :steps"),
        ("step_chunks", "figure, level, chunk", f"(chunk + 1) * ({_chunk_size_by_level()}) <= :steps"),
    ):
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})") if row[1] != "run_id"]
        listed = ", ".join(columns)
        connection.execute(
            f"INSERT INTO {table} (run_id, {listed}) SELECT :target, {listed} FROM {table} "
            f"WHERE run_id = :source AND {kept} ORDER BY {order}",
            {"source": source, "target": target, "steps": steps},
        )


def _chunk_size_by_level() -> str:
    sizes = " ".join(f"WHEN {level} THEN {levels.chunk_size(level)}" for level in range(levels.LEVELS))
    return f"CASE level {sizes} END"


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--rows", type=int, default=50_000_000)
    chosen = parser.parse_args()
    began = time.perf_counter()
    build(chosen.path, runs=chosen.runs, rows=chosen.rows)
    taken, size = time.perf_counter() - began, chosen.path.stat().st_size
    print(f"{size / 1e9:.2f} GB in {taken:.0f} s: {size / chosen.rows:.0f} bytes a step")


if __name__ == "__main__":
    _main()
