"""TensorBoard event files, by tensorboardX."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from db.records import RunRecord, RunStatus
from db.session import Database
from itop_tui.export.tables import tables_of
from itop_tui.export.written_files import ExportError
from itop_tui.service.json_shape import plain_value

_PREFIXES = {"steps": "step", "epochs": "epoch", "mask_updates": "mask", "layers": "layer"}
_NOT_METRICS = frozenset({"step", "epoch", "update", "at", "layer", "position", "shape", "size"})
_RESULTS = (
    "test_accuracy",
    "test_accuracy_last",
    "best_val_accuracy",
    "density",
    "nonzeros",
    "itop_rate",
    "training_flops",
    "flops_ratio",
    "energy_wh",
)


def write_tensorboard(db: Database, run: RunRecord, folder: Path) -> None:
    """Write a run as a log folder of TensorBoard.

    Scalars are called `step/loss`, `epoch/val_accuracy`, `mask/itop_rate`, `layer/fc1.weight/nonzeros`, all over the
    run's steps and at the times they were recorded, and `result/test_accuracy` at its last one. The configuration is a
    text called `config`, and with the results a session of the page HPARAMS, where many runs are compared.

    Raises:
        ExportError: tensorboardX is not installed.
    """
    try:
        events: Any = import_module("tensorboardX.proto.event_pb2")
        summaries: Any = import_module("tensorboardX.proto.summary_pb2")
        tensors: Any = import_module("tensorboardX.proto.tensor_pb2")
        records: Any = import_module("tensorboardX.record_writer")
        hparams: Any = import_module("tensorboardX.summary").hparams
    except ImportError as error:
        raise ExportError("TensorBoard needs tensorboardX: python -m pip install 'itop[export]' brings it") from error
    began = run.started_at if run.started_at is not None else run.created_at
    # The name that TensorBoard looks for; the time in it orders several files of one folder.
    file = records.RecordWriter(str(folder / f"events.out.tfevents.{int(began):010d}.itop"))

    def write(at: float, step: int, summary: Any) -> None:
        file.write(events.Event(wall_time=at, step=step, summary=summary).SerializeToString())

    def scalars(values: Iterable[tuple[str, float]]) -> Any:
        return summaries.Summary(value=[summaries.Summary.Value(tag=tag, simple_value=value) for tag, value in values])

    try:
        file.write(events.Event(wall_time=began, file_version="brain.Event:2").SerializeToString())
        # Indented by four, it is code to the page that shows it.
        text = json.dumps(plain_value(run.config), indent=2).replace("\n", "\n    ")
        config = summaries.Summary.Value(
            tag="config/text_summary",
            metadata=summaries.SummaryMetadata(plugin_data=summaries.SummaryMetadata.PluginData(plugin_name="text")),
            tensor=tensors.TensorProto(
                dtype="DT_STRING", string_val=[f"    {text}".encode()], tensor_shape={"dim": [{"size": 1}]}
            ),
        )
        write(began, 0, summaries.Summary(value=[config]))
        results = {f"result/{name}": float(value) for name in _RESULTS if (value := getattr(run, name)) is not None}
        experiment, session, end = hparams(_hparams(run), results)
        write(began, 0, experiment)
        write(began, 0, session)
        for at, step, values in _events(db, run, began):
            write(at, step, scalars(values))
        ended = run.ended_at or run.heartbeat_at or began
        write(ended, run.step, scalars(results.items()))
        if run.status == RunStatus.COMPLETED:  # success is the only ending that it has a word for
            write(ended, run.step, end)
    finally:
        file.close()


def _hparams(run: RunRecord) -> dict[str, str | bool | float]:
    """The settings as TensorBoard takes them: what it has no type for as JSON, without those that are not set."""
    plain = {name: plain_value(value) for name, value in run.config.items() if value is not None}
    return {
        name: value if isinstance(value, str | bool | int | float) else json.dumps(value)
        for name, value in plain.items()
    }


def _events(db: Database, run: RunRecord, began: float) -> Iterator[tuple[float, int, list[tuple[str, float]]]]:
    """Each row of each table: when it was recorded, at which step, and its scalars by their tags."""
    updated: dict[int, float] = {}  # when each mask update was made: its layers have no time of their own
    for table in tables_of(db, run.id):
        prefix = _PREFIXES[table.name]
        for values in table.rows():
            row: dict[str, Any] = dict(zip(table.columns, values, strict=True))
            own = f"{prefix}/{row['layer']}" if "layer" in row else prefix
            scalars = [
                (f"{own}/{name}", float(value))
                for name, value in row.items()
                if name not in _NOT_METRICS and value is not None
            ]
            at = row["at"] if "at" in row else updated.get(row["update"], began)
            if "update" in row:
                updated[row["update"]] = at
            if scalars:
                yield at, row["step"], scalars
