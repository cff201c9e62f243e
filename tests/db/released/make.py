"""Write a small database with every table filled, by the code of the revision that is checked out.

Each file here was made so, once, and is never made again:

    git worktree add /tmp/revision COMMIT && cd /tmp/revision
    PYTHONPATH=/tmp/revision python PATH/OF/THIS/FILE OUT.sqlite.gz

The commits: 75ac5e5 for 0001, c723c35 for 0002. It uses only what every revision had; what only later ones have is
filled by SQL, so that no column is left empty.
"""

from __future__ import annotations

import gzip
import math
import sqlite3
import sys
import tempfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from db import key_values
from db.history.writer import MetricWriter
from db.records import EpochMetric, LayerMaskStat, MaskUpdate, RunStatus, StepMetric
from db.runs import attempts, checkpoints, commands, runs
from db.session import Database

try:  # since 0005 the engine works out to which experiment a run belongs
    from tests.described import described
except ImportError:

    def described(config: Mapping[str, Any]) -> dict[str, Any]:
        return {"config": config}


_CONFIG: dict[str, Any] = {
    "model": "vgg-c",
    "data": "cifar10",
    "sparse": True,
    "density": 0.05,
    "growth": "gradient",
    "death": "magnitude",
    "redistribution": "none",
    "seed": 18,
    "epochs": 2,
    "multiplier": 5,
}

_DENSE: dict[str, Any] = {"model": "lenet5", "data": "mnist", "sparse": False}

_LATER = """
UPDATE runs SET position = 2.5, starred_at = 10.0, archived_at = 11.0, start_failures = 2 WHERE id = 1;
UPDATE runs SET trashed_at = 12.0 WHERE id = 3;
UPDATE attempts SET diff = '+ one line', environment = '{"OMP_NUM_THREADS": "4"}' WHERE id = 1;
INSERT OR IGNORE INTO device_claims (attempt_id, device) SELECT id, device FROM attempts WHERE ended_at IS NULL;
"""

_METRICS = """
INSERT INTO metrics (id, name, declaration) VALUES
    (1, 'power', '{"name": "power", "title": "power", "label": "power", "unit": "W", "source": "step"}');
INSERT INTO step_values (run_id, metric_id, step, value, nonfinite) VALUES (1, 1, 10, 100.5, 0), (1, 1, 20, NULL, 2);
UPDATE runs SET metrics = '{"power": "inf"}' WHERE id = 1;
"""

_DEPENDENCIES = """
INSERT INTO run_dependencies (run_id, after_id, must_complete, outcome) VALUES (3, 1, 0, 'open'), (3, 2, 1, 'open');
"""


_CODE = """
INSERT INTO code_texts (sha256, text) VALUES ('aa', 'x = 1');
INSERT INTO code_files (run_id, attempt, queued, position, path, sha256, bytes, tracked) VALUES
    (1, 1, 1, 0, '/p/net.py', 'aa', 5, NULL), (1, 1, 0, 0, '/p/net.py', 'aa', 5, 1),
    (1, 1, 0, 1, '/p/key.py', 'bb', 9, 0);
"""


_ALARMS = """
INSERT INTO alarms (run_id, kind, layer, step, message, raised_at) VALUES (1, 'collapse', 'fc2', 100, 'gone', 1100.0);
UPDATE runs SET alarms = 'collapse' WHERE id = 1;
"""


def _record(db: Database, run_id: int, attempt_id: int, first: int, last: int) -> None:
    with MetricWriter(db, run_id, attempt_id) as writer:
        for step in range(first, last + 1):
            loss = math.nan if step % 100 == 50 else math.inf if step == 301 else 2.0 / (1 + step) + step % 7 / 10
            writer.step(StepMetric(step, step // 100, loss, 0.25, 0.1, 0.5, 0.05, 0.06, 1000.0, at=1000.0 + step))
            if step % 100 == 0:
                number = step // 100
                writer.epoch(EpochMetric(number, step, 0.5, 0.6, math.nan, number / 10, 0.1, 1.5, at=1000.0 + step))
                writer.mask_update(
                    MaskUpdate(number, step, 0.5, 3, 3, 40, 0.05, 0.06, 0.9, 0.8, 0.7, 0.1, at=1000.0 + step),
                    [
                        LayerMaskStat("features.0", 0, (4, 3), 12, 6, 1, 1, 7, 0.9, 0.8, math.nan, 1, 2),
                        LayerMaskStat("classifier", 1, (2, 4), 8, 4, 2, 2, 5, 0.9, 0.8, 0.7, 0, 0),
                    ],
                )
        writer.progress(test_accuracy=0.9, training_flops=1e15, total_steps=900, flops_ratio=0.25)


def _start(db: Database, run_id: int) -> int:
    attempt = runs.reserve(db, run_id, host="here", device="cuda:0", slots=100)
    assert attempt is not None
    attempts.spawned(db, attempt.id, warden_pid=4241)
    known = {"versions": {"torch": "2.7"}, "commit": "75ac5e5", "dirty": True, "command_line": "itop train"}
    assert attempts.running(db, attempt.id, pid=4242, start_time=1.5, boot_id="boot", **known)  # type: ignore[arg-type]
    return attempt.id


def _fill(db: Database) -> None:
    common: dict[str, Any] = {"tags": ("paper", "naïve"), "notes": "two\nlines", "group": "seeds"}
    first = runs.create(db, **described(_CONFIG), name="resumed", total_steps=900, **common)
    attempt = _start(db, first.id)
    _record(db, first.id, attempt, 0, 700)
    checkpoint = checkpoints.add(
        db,
        run_id=first.id,
        attempt_id=attempt,
        step=650,
        epoch=6,
        kind="manual",
        path="/nowhere/650.pt",
        bytes=123,
        sha256="0" * 64,
        val_accuracy=0.6,
    )
    commands.send(db, first.id, "stop")
    failed: dict[str, Any] = {"exit_code": 1, "signal": 9, "traceback": "Traceback: no"}
    attempts.finish(db, attempt, status=RunStatus.FAILED, reason="no luck", **failed)
    runs.requeue_resume(db, first.id, checkpoint.id)
    _record(db, first.id, _start(db, first.id), 651, 880)
    commands.send(db, first.id, "pause")
    runs.create(
        db,
        **described(_CONFIG | {"seed": 19}),
        name="fork",
        parent_id=first.id,
        start_checkpoint_id=checkpoint.id,
        fork_step=650,
    )
    runs.create(
        db,
        **(described(_DENSE) | {"config": _DENSE | {"seed": None}}),
        name="dense",
        priority=3,
    )
    key_values.put(db, "theme", {"name": "dark", "compact": [1, None]})


def _main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "itop.db"
        with closing(Database.open(str(path))) as db:
            _fill(db)
        with closing(sqlite3.connect(path)) as connection:
            columns = [row[1] for row in connection.execute("PRAGMA table_info(runs)")]
            if "trashed_at" in columns:
                connection.executescript(_LATER)
            if "metrics" in columns:
                connection.executescript(_METRICS)
            if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'run_dependencies'").fetchone():
                connection.executescript(_DEPENDENCIES)
            if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alarms'").fetchone():
                connection.executescript(_ALARMS)
            if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'code_files'").fetchone():
                connection.executescript(_CODE)
            print(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])
        Path(sys.argv[1]).write_bytes(gzip.compress(path.read_bytes(), mtime=0))


if __name__ == "__main__":
    _main()
