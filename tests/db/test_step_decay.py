"""Runs that were queued when `decay_frequency` was a step decay keep what they did."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from db.runs import runs
from db.session import Database
from tests.db.helpers import CONFIG, new_run


def test_a_recorded_step_decay_moves_to_the_setting_that_does_it(home: Path) -> None:
    with closing(Database.open()) as db:
        old = new_run(db, config={**CONFIG, "decay_frequency": 30_000})
        other = new_run(db, config={**CONFIG, "decay_frequency": None})
    with closing(sqlite3.connect(home / "itop.db")) as raw, raw:
        raw.execute("UPDATE alembic_version SET version_num = '0006'")
    with closing(Database.open()) as db:
        moved = runs.get(db, old.id)
        assert (moved.config["lr_drop_every"], moved.config["decay_frequency"]) == (30_000, None)
        assert {**moved.config, "decay_frequency": 30_000} == {**old.config, "lr_drop_every": 30_000}
        assert moved.recipe == old.recipe
        assert runs.get(db, other.id) == other
    with closing(sqlite3.connect(home / "itop.db")) as raw:
        [(text,)] = raw.execute("SELECT config FROM runs WHERE id = ?", (old.id,)).fetchall()
    assert json.loads(text)["lr_drop_every"] == 30_000
