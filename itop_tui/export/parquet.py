"""Parquet, by pyarrow."""

from __future__ import annotations

import json
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

from db.records import RunRecord
from db.session import Database
from itop_tui.export.tables import tables_of
from itop_tui.export.written_files import ExportError
from itop_tui.service.json_shape import run_document

_ROWS = 20_000
"""Rows in a group of a file: what is held in memory at once."""


def write_parquet(db: Database, run: RunRecord, folder: Path) -> None:
    """Write a run as a folder of Parquet files, one for each table.

    Each row begins with the run's id, so that files of several runs can be read as one; each file's metadata holds the
    run's results, state and where it ran (`itop.run`) and its configuration (`itop.config`), both as JSON. What was not
    recorded is null; a metric that diverged is nan or infinite.

    Args:
        db: The database.
        run: The run.
        folder: A folder that is there and empty.

    Raises:
        ExportError: pyarrow is not installed.
    """
    try:
        pa: Any = import_module("pyarrow")
        pq: Any = import_module("pyarrow.parquet")
    except ImportError as error:
        raise ExportError("Parquet needs pyarrow: python -m pip install 'itop[export]' brings it") from error
    types: dict[type, Any] = {int: pa.int64(), float: pa.float64(), str: pa.string(), tuple: pa.list_(pa.int64())}
    document = run_document(run)
    config = document.pop("config")
    metadata = {"itop.run": json.dumps(document), "itop.config": json.dumps(config)}
    for table in tables_of(db, run.id):
        fields = [(name, types[kind]) for name, kind in zip(table.columns, table.kinds, strict=True)]
        schema = pa.schema([("run", pa.int64()), *fields], metadata=metadata)
        rows = table.rows()
        with pq.ParquetWriter(folder / f"{table.name}.parquet", schema) as writer:
            while page := list(islice(rows, _ROWS)):
                values = [[run.id] * len(page), *zip(*page, strict=True)]
                columns = [pa.array(column, type=field.type) for column, field in zip(values, schema, strict=True)]
                writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
