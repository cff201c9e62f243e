"""TensorBoard event files, by tensorboardX."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from db.records import RunRecord
from db.session import Database
from itop_tui.cli.output import plain_value
from itop_tui.export.files import ExportError
from itop_tui.export.tables import TABLES

_PREFIXES = {"steps": "step", "epochs": "epoch", "mask_updates": "mask", "layers": "layer"}
_NOT_FIGURES = frozenset({"step", "epoch", "update", "at", "layer", "position", "shape"})


def write_tensorboard(db: Database, run: RunRecord, folder: Path) -> None:
    """Write a run as a log folder of TensorBoard.

    Scalars are called `step/loss`, `epoch/val_accuracy`, `mask/itop_rate`, `layer/fc1.weight/nonzeros`, all over the
    run's steps and at the times they were recorded; the configuration is a text called `config`.

    Args:
        db: The database.
        run: The run.
        folder: A folder that is there and empty.

    Raises:
        ExportError: tensorboardX is not installed.
    """
    try:
        events: Any = import_module("tensorboardX.proto.event_pb2")
        summaries: Any = import_module("tensorboardX.proto.summary_pb2")
        tensors: Any = import_module("tensorboardX.proto.tensor_pb2")
        records: Any = import_module("tensorboardX.record_writer")
    except ImportError as error:
        raise ExportError("TensorBoard needs tensorboardX: python -m pip install 'itop[export]' brings it") from error
    began = run.started_at if run.started_at is not None else run.created_at
    # The name that TensorBoard looks for; the time in it orders several files of one folder.
    file = records.RecordWriter(str(folder / f"events.out.tfevents.{int(began):010d}.itop"))
    try:
        file.write(events.Event(wall_time=began, file_version="brain.Event:2").SerializeToString())
        text = json.dumps(plain_value(run.config), indent=2).replace("\n", "\n    ")
        config = summaries.Summary.Value(
            tag="config/text_summary",
            metadata=summaries.SummaryMetadata(plugin_data=summaries.SummaryMetadata.PluginData(plugin_name="text")),
            tensor=tensors.TensorProto(
                dtype="DT_STRING", string_val=[f"    {text}".encode()], tensor_shape={"dim": [{"size": 1}]}
            ),
        )
        file.write(events.Event(wall_time=began, step=0, summary=summaries.Summary(value=[config])).SerializeToString())
        for at, step, scalars in _events(db, run, began):
            values = [summaries.Summary.Value(tag=tag, simple_value=value) for tag, value in scalars]
            file.write(
                events.Event(wall_time=at, step=step, summary=summaries.Summary(value=values)).SerializeToString()
            )
    finally:
        file.close()


def _events(db: Database, run: RunRecord, began: float) -> Iterator[tuple[float, int, list[tuple[str, float]]]]:
    """Each row of each table: when it was recorded, at which step, and its scalars by their tags."""
    for table in TABLES:
        prefix = _PREFIXES[table.name]
        for values in table.rows(db, run.id):
            row: dict[str, Any] = dict(zip(table.columns, values, strict=True))
            own = f"{prefix}/{row['layer']}" if "layer" in row else prefix
            scalars = [
                (f"{own}/{name}", float(value))
                for name, value in row.items()
                if name not in _NOT_FIGURES and value is not None
            ]
            if scalars:
                yield row.get("at", began), row["step"], scalars
