from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.db.helpers import output_of, python

_MODULES = (
    "runs.attempts", "runs.checkpoints", "runs.commands", "runs.runs", "runs.shelf", "finding.grouping",
    "finding.views", "history.metrics", "history.writer", "sqlite.health", "query", "session", "key_values",
)  # fmt: skip

_CODE = """
import importlib, json, sys
for name in sys.argv[2:]:
    importlib.import_module("db." + name)
if sys.argv[1]:
    from db import session
    session.Database.open(sys.argv[1]).close()
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


@pytest.mark.parametrize("opened", [False, True], ids=["imported", "opened"])
def test_the_store_needs_neither_torch_nor_textual_nor_alembic(empty_database: Path, *, opened: bool) -> None:
    process = python(_CODE, empty_database if opened else "", *_MODULES)
    loaded = set(json.loads(output_of(process)))
    assert {"db", "sqlalchemy"} <= loaded
    assert not loaded & {"torch", "textual", "alembic", "numpy", "engine", "itop_tui"}


def test_records_errors_and_paths_do_not_even_need_sqlalchemy() -> None:
    loaded = set(json.loads(output_of(python(_CODE, "", "records", "errors", "paths"))))
    assert "sqlalchemy" not in loaded
