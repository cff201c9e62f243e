from __future__ import annotations

from typing import Any

from db import key_values
from db.runs import dense_matrices, runs
from db.session import Database
from tests.db.helpers import started
from tests.db.runs.test_changes import end


def coverage(*names: str) -> dict[str, Any]:
    dense = [{"name": name, "shape": [2, 3], "weights": 6, "why": "embedding"} for name in names]
    return {"matrix_weights": 100, "dense_weights": 6 * len(names), "dense": dense}


def test_the_latest_coverage_is_kept_until_its_run_is_deleted(db: Database) -> None:
    run, _ = started(db)
    other, _ = started(db)
    assert dense_matrices.for_run(db, run.id) is None
    dense_matrices.note(db, run.id, coverage("words"))
    dense_matrices.note(db, run.id, coverage("words", "places"))
    dense_matrices.note(db, other.id, coverage())
    assert dense_matrices.for_run(db, run.id) == coverage("words", "places")
    assert dense_matrices.for_run(db, other.id) == coverage()


def test_a_deleted_run_leaves_nothing(db: Database) -> None:
    run, _ = started(db)
    dense_matrices.note(db, run.id, coverage("words"))
    end(db, run)
    runs.delete(db, run.id)
    assert dense_matrices.for_run(db, run.id) is None
    assert key_values.under(db, "coverage:") == {}


def test_names_that_are_no_utf_8_are_kept_readable(db: Database) -> None:
    run, _ = started(db)
    dense_matrices.note(db, run.id, coverage("w\udcff\0"))
    kept = dense_matrices.for_run(db, run.id)
    assert kept is not None
    assert kept["dense"][0]["name"] == "w?\ufffd"
