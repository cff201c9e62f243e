"""CSV and JSON, by the standard library alone, and Parquet, by pyarrow."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from db.records import RunRecord
from db.runs import attempts, checkpoints
from db.session import Database
from itop_tui.export.tables import Table, tables_of
from itop_tui.export.written_files import ExportError
from itop_tui.service.json_shape import Document, plain_value, run_document, timestamp

_ROWS = 20_000
"""Rows in a group of a Parquet file: what is held in memory at once."""


def write_csv(db: Database, run: RunRecord, folder: Path) -> None:
    """Write a run as a folder of CSV files, one for each table, and two of JSON values by their names.

    `run.csv` holds the run's results, its state and where it ran, `config.csv` its settings. Each row of a table begins
    with the run's id, so that files of several runs can be read as one. Metrics are written as Python writes them
    ("nan" and "inf" where they diverged), so that they read back as they were recorded; what was not recorded is empty;
    shapes are JSON.
    """
    for table in tables_of(db, run.id):
        rows = ((run.id, *row) for row in table.rows())
        write_rows(folder / f"{table.name}.csv", ("run", *table.columns), rows)
    document = run_document(run)
    settings = document.pop("config")
    write_rows(folder / "run.csv", ("field", "value"), _lines(document))
    write_rows(folder / "config.csv", ("setting", "value"), _lines(settings))


def _lines(values: Document) -> Iterator[tuple[str, str]]:
    return ((name, json.dumps(value)) for name, value in values.items())


def write_rows(path: Path, columns: Iterable[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write one CSV file."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows([_cell(value) for value in row] for row in rows)


def _cell(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, tuple | list) else value


def write_json(db: Database, run: RunRecord, path: Path, *, with_diff: bool = False) -> None:
    """Write a run as one JSON document, by the names of `itop show --json` and `itop metrics --json`.

    Beside the run's own fields, its checkpoints and attempts it holds `steps`, `epochs`, `mask_updates` and `layers`, a
    list of objects each. How the code of an attempt differed from its commit may hold secrets: it is left out, and
    `diff_left_out` says so, unless `with_diff` asks for it.
    """
    document = run_document(run, checkpoints=checkpoints.for_run(db, run.id), attempts=attempts.for_run(db, run.id))
    for attempt in document["attempts"] if not with_diff else ():
        if attempt["diff"] is not None:
            attempt["diff"] = None
            attempt["diff_left_out"] = True
    with path.open("w", encoding="utf-8") as file:
        file.write("{\n")
        for name, value in document.items():
            file.write(f"  {json.dumps(name)}: {json.dumps(value, allow_nan=False)},\n")
        for position, table in enumerate(tables_of(db, run.id)):
            file.write(",\n" if position else "")
            _write_table(file, table)
        file.write("\n")
        file.write("}\n")


def _write_table(file: TextIO, table: Table) -> None:
    # The run has a number `step` and a count `epoch` of its own: none of the tables' names is one of a run's fields.
    file.write(f"  {json.dumps(table.name)}: [")
    moments = frozenset(name for name in table.columns if name == "at")
    for position, row in enumerate(table.rows()):
        shaped = {
            name: timestamp(value) if name in moments else plain_value(value)
            for name, value in zip(table.columns, row, strict=True)
        }
        file.write(("" if position == 0 else ",") + "\n    " + json.dumps(shaped, allow_nan=False))
    file.write("\n  ]")


def write_parquet(db: Database, run: RunRecord, folder: Path) -> None:
    """Write a run as a folder of Parquet files, one for each table.

    Each row begins with the run's id, so that files of several runs can be read as one; each file's metadata holds the
    run's results, state and where it ran (`itop.run`) and its configuration (`itop.config`), both as JSON. What was not
    recorded is null; a metric that diverged is nan or infinite.

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
