"""Parquet, by pyarrow."""

from __future__ import annotations

import json
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

from db.records import RunRecord
from db.session import Database
from itop_tui.cli.output import plain_value
from itop_tui.export.files import ExportError
from itop_tui.export.tables import TABLES

_ROWS = 20_000
"""Rows in a group of a file: what is held in memory at once."""


def write_parquet(db: Database, run: RunRecord, folder: Path) -> None:
    """Write a run as a folder of Parquet files, one for each table; each file's metadata holds the configuration.

    What was not recorded is null; a figure that diverged is nan or infinite.

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
    metadata = {
        "itop.run": json.dumps({"id": run.id, "uid": run.uid, "name": run.name}),
        "itop.config": json.dumps(plain_value(run.config)),
    }
    for table in TABLES:
        schema = pa.schema(
            [(name, types[kind]) for name, kind in zip(table.columns, table.kinds, strict=True)], metadata=metadata
        )
        rows = table.rows(db, run.id)
        with pq.ParquetWriter(folder / f"{table.name}.parquet", schema) as writer:
            while page := list(islice(rows, _ROWS)):
                fields = zip(zip(*page, strict=True), schema, strict=True)
                columns = [pa.array(column, type=field.type) for column, field in fields]
                writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
