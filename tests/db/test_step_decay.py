"""Runs that were queued when `decay_frequency` was a step decay keep what they did."""

from __future__ import annotations

import gzip
import json
import sqlite3
from contextlib import closing
from pathlib import Path

from db.runs import runs
from db.session import Database
from tests.db.helpers import CONFIG

RELEASED = Path(__file__).parent / "released" / "0006.sqlite.gz"


def test_a_recorded_step_decay_moves_to_the_setting_that_does_it(home: Path) -> None:
    path = home / "itop.db"
    path.write_bytes(gzip.decompress(RELEASED.read_bytes()))
    dropped, constant = CONFIG | {"decay_frequency": 30_000}, CONFIG | {"decay_frequency": None}
    with closing(sqlite3.connect(path)) as raw, raw:
        for run_id, config in ((1, dropped), (2, constant)):
            raw.execute("UPDATE runs SET config = ? WHERE id = ?", (json.dumps(config), run_id))
        [(recipe,)] = raw.execute("SELECT recipe FROM runs WHERE id = 1")
    with closing(Database.open()) as db:
        moved = runs.get(db, 1)
        assert moved.config == dropped | {"lr_drop_every": 30_000, "decay_frequency": None}
        assert moved.recipe == recipe
        assert runs.get(db, 2).config == constant
