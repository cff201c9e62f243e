from __future__ import annotations

import csv
import json
import math
import shutil
import sys
import tracemalloc
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from db.history import metrics
from db.history.writer import MetricWriter
from db.records import RunRecord, RunStatus, StepMetric
from db.runs import attempts
from db.session import Database
from itop_tui.export.run_export import FORMATS, export_runs, find_format
from itop_tui.export.written_files import AlreadyThereError, ExportError
from tests.described import described
from tests.itop_tui.run.fabricate import record_run, settings

READERS = {"int": int, "float": float, "str": str}


def read_csv(path: Path, record: type[Any]) -> list[Any]:
    """Rows of a file as records again: an empty cell is what was not recorded."""
    kinds = {name: str(field.type).removesuffix(" | None") for name, field in record.__dataclass_fields__.items()}
    with path.open(newline="", encoding="utf-8") as file:
        return [
            record(**{
                name: None if value == "" else READERS[kinds[name]](value) if kinds[name] in READERS
                else tuple(json.loads(value))
                for name, value in row.items() if name in kinds
            })
            for row in csv.DictReader(file)
        ]  # fmt: skip


def same(one: Any, other: Any) -> bool:
    """Whether records are equal, nan being equal to itself."""
    return all(
        a == b or (isinstance(a, float) and isinstance(b, float) and math.isnan(a) and math.isnan(b))
        for a, b in zip(asdict(one).values(), asdict(other).values(), strict=True)
    )


def all_same(ones: list[Any], others: list[Any]) -> bool:
    return len(ones) == len(others) > 0 and all(map(same, ones, others))


def test_csv_reads_back_as_the_database_has_it(db: Database, run: RunRecord, tmp_path: Path) -> None:
    (folder,) = export_runs(db, [run.id], "csv", tmp_path)
    for name, stored in (
        ("steps", metrics.steps(db, run.id)),
        ("epochs", metrics.epochs(db, run.id)),
        ("mask_updates", metrics.mask_updates(db, run.id)),
    ):
        assert all_same(read_csv(folder / f"{name}.csv", type(stored[0])), list(stored)), name
    updates = metrics.mask_updates(db, run.id)
    layers = [layer for update in updates for layer in metrics.layer_stats(db, run.id, update.update)]
    assert all_same(read_csv(folder / "layers.csv", type(layers[0])), layers)
    with (folder / "config.csv").open(newline="", encoding="utf-8") as file:
        assert {row["setting"]: json.loads(row["value"]) for row in csv.DictReader(file)} == dict(run.config)
    with (folder / "run.csv").open(newline="", encoding="utf-8") as file:
        fields = {row["field"]: json.loads(row["value"]) for row in csv.DictReader(file)}
    assert (fields["id"], fields["name"], fields["status"]) == (run.id, run.name, run.status.value)
    assert {"test_accuracy", "best_val_accuracy", "training_flops", "tags", "host"} <= set(fields)


@pytest.mark.parametrize("known", ["csv", "parquet"])
def test_files_of_several_runs_can_be_read_as_one(
    db: Database, seeds: list[RunRecord], tmp_path: Path, known: str
) -> None:
    folders = export_runs(db, [run.id for run in seeds], known, tmp_path)
    read: list[int] = []
    for folder in folders:
        if known == "csv":
            with (folder / "layers.csv").open(newline="", encoding="utf-8") as file:
                read += [int(row["run"]) for row in csv.DictReader(file)]
        else:
            pq = pytest.importorskip("pyarrow.parquet")
            read += pq.read_table(folder / "layers.parquet")["run"].to_pylist()
    for run in seeds:
        assert read.count(run.id) == sum(
            len(metrics.layer_stats(db, run.id, update.update)) for update in metrics.mask_updates(db, run.id)
        )


def test_json_has_the_names_of_the_command_line(db: Database, run: RunRecord, tmp_path: Path) -> None:
    (path,) = export_runs(db, [run.id], "json", tmp_path)
    document = json.loads(path.read_text(encoding="utf-8"))
    assert (document["id"], document["name"], document["config"]) == (run.id, run.name, dict(run.config))
    assert [step["step"] for step in document["steps"]] == list(range(1, 301))
    assert (document["steps"][249]["loss"], document["steps"][250]["loss"]) == ("NaN", "Infinity")
    assert document["steps"][0]["accuracy"] is None
    assert document["steps"][0]["at"].endswith("Z")
    assert len(document["epochs"]) == 3
    assert [update["update"] for update in document["mask_updates"]] == [0, 1, 2, 3]
    assert [(layer["update"], layer["layer"]) for layer in document["layers"][:4]] == [
        (0, "fc1"), (0, "fc2"), (0, "fc3"), (1, "fc1"),
    ]  # fmt: skip
    assert {"checkpoints", "attempts"} <= set(document)


def test_parquet_reads_back_as_the_database_has_it(db: Database, run: RunRecord, tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    (folder,) = export_runs(db, [run.id], "parquet", tmp_path)
    table = pq.read_table(folder / "steps.parquet")
    rows = [StepMetric(**row) for row in table.drop_columns(["run"]).to_pylist()]
    assert all_same(rows, metrics.steps(db, run.id))
    assert json.loads(table.schema.metadata[b"itop.run"])["status"] == run.status.value
    assert json.loads(table.schema.metadata[b"itop.config"]) == dict(run.config)
    layers = pq.read_table(folder / "layers.parquet").to_pylist()
    assert layers[0]["shape"] == [300, 64]
    assert len(layers) == 4 * 3


def test_tensorboard_reads_its_own_format(db: Database, run: RunRecord, tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    (folder,) = export_runs(db, [run.id], "tensorboard", tmp_path)
    read = accumulator.EventAccumulator(str(folder), size_guidance={"scalars": 0})
    read.Reload()
    losses = read.Scalars("step/loss")
    stored = metrics.steps(db, run.id)
    assert [event.step for event in losses] == [row.step for row in stored]
    assert [event.wall_time for event in losses] == [row.at for row in stored]
    assert losses[0].value == pytest.approx(stored[0].loss, rel=1e-6)
    assert math.isnan(losses[249].value)
    assert math.isinf(losses[250].value)
    assert [event.step for event in read.Scalars("mask/itop_rate")] == [0, 100, 200, 300]
    assert [event.value for event in read.Scalars("layer/fc1/nonzeros")] == [1920.0] * 4
    updates = {update.step: update.at for update in metrics.mask_updates(db, run.id)}
    assert {event.step: event.wall_time for event in read.Scalars("layer/fc1/nonzeros")} == updates
    assert b'"seed"' in read.Tensors("config/text_summary")[0].tensor_proto.string_val[0]


def test_tensorboard_compares_runs_by_their_settings_and_results(db: Database, tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    plugin = pytest.importorskip("tensorboard.plugins.hparams.plugin_data_pb2")
    run = record_run(db, steps=20, config=settings(lr=0.3))
    attempt = attempts.latest(db, run.id)
    assert attempt is not None
    with MetricWriter(db, run.id, attempt.id) as writer:
        writer.progress(step=20, epoch=1, test_accuracy=0.9375)
    attempts.finish(db, attempt.id, status=RunStatus.COMPLETED, reason="finished")
    (folder,) = export_runs(db, [run.id], "tensorboard", tmp_path)
    read = accumulator.EventAccumulator(str(folder))
    read.Reload()
    (result,) = read.Scalars("result/test_accuracy")
    assert (result.step, result.value) == (20, 0.9375)
    told = read.PluginTagToContent("hparams")
    session = plugin.HParamsPluginData.FromString(told["_hparams_/session_start_info"]).session_start_info
    assert session.hparams["lr"].number_value == 0.3
    assert session.hparams["growth"].string_value == run.config["growth"]
    assert session.hparams["sparse"].bool_value is True
    shown = plugin.HParamsPluginData.FromString(told["_hparams_/experiment"]).experiment
    assert "result/test_accuracy" in {metric.name.tag for metric in shown.metric_infos}
    assert "_hparams_/session_end_info" in told, "it ended well"


def test_a_run_without_a_step_is_exported_too(db: Database, tmp_path: Path) -> None:
    from db.runs import runs

    empty = runs.create(db, **described(settings()), name="nothing yet")
    for known in ("csv", "json", "parquet", "tensorboard"):
        export_runs(db, [empty.id], known, tmp_path)
    assert (tmp_path / "run-1-nothing-yet-csv" / "steps.csv").read_text().startswith("run,step,epoch,loss")


def test_several_runs_have_a_place_each_named_by_id_and_a_safe_name(
    db: Database, run: RunRecord, tmp_path: Path
) -> None:
    other = record_run(db, name="vgg-c / RigL 5 %", steps=3)
    paths = export_runs(db, [run.id, other.id, run.id], "json", tmp_path / "new" / "folder")
    assert [path.name for path in paths] == [paths[0].name, "run-2-vgg-c-RigL-5.json"]
    assert all(path.parent == tmp_path / "new" / "folder" for path in paths)
    assert paths[0].name.startswith("run-1-script-alert-1-script")
    assert len(paths[0].name) < 90


@pytest.mark.parametrize("known", ["csv", "json"])
def test_nothing_is_overwritten_unless_asked(db: Database, run: RunRecord, tmp_path: Path, known: str) -> None:
    other = record_run(db, name="other", steps=3)
    (path,) = export_runs(db, [run.id], known, tmp_path)
    marked = path / "steps.csv" if path.is_dir() else path
    marked.write_text("mine")
    with pytest.raises(ExportError, match="is there already: choose another place, or overwrite it"):
        export_runs(db, [other.id, run.id], known, tmp_path)
    assert marked.read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 1 + (tmp_path / "home").exists(), "all or none"
    export_runs(db, [run.id], known, tmp_path, force=True)
    assert marked.read_text() != "mine"


def test_several_that_are_there_are_told_at_once_and_a_folder_is_never_a_file(
    db: Database, run: RunRecord, tmp_path: Path
) -> None:
    other = record_run(db, name="other", steps=3)
    paths = export_runs(db, [run.id, other.id], "json", tmp_path)
    with pytest.raises(AlreadyThereError, match="and 1 more are there already") as told:
        export_runs(db, [run.id, other.id], "json", tmp_path)
    assert told.value.targets == tuple(paths)
    paths[1].unlink()
    paths[1].mkdir()
    with pytest.raises(ExportError, match="is a folder, not the file that would be written"):
        export_runs(db, [other.id], "json", tmp_path, force=True)
    (folder,) = export_runs(db, [other.id], "csv", tmp_path)
    shutil.rmtree(folder)
    folder.write_text("mine")
    with pytest.raises(ExportError, match="is a file, not the folder that would be written"):
        export_runs(db, [other.id], "csv", tmp_path, force=True)
    assert folder.read_text() == "mine"


def test_what_fails_half_way_leaves_nothing(
    db: Database, run: RunRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> list[StepMetric]:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(metrics, "steps", broken)
    for known in ("csv", "json"):
        with pytest.raises(OSError, match="No space left"):
            export_runs(db, [run.id], known, tmp_path / known)
        assert list((tmp_path / known).iterdir()) == []


def test_one_file_can_be_named_and_only_one(db: Database, run: RunRecord, tmp_path: Path) -> None:
    assert export_runs(db, [run.id], "json", tmp_path / "mine.json") == [tmp_path / "mine.json"]
    other = record_run(db, name="other", steps=3)
    with pytest.raises(ExportError, match="name a folder instead"):
        export_runs(db, [run.id, other.id], "json", tmp_path / "both.json")
    with pytest.raises(ExportError, match="is a file"):
        export_runs(db, [run.id], "csv", tmp_path / "mine.json")


def test_an_unknown_format_is_told_with_the_nearest() -> None:
    with pytest.raises(ExportError, match=r"no format 'parket', only csv, .*, html; did you mean parquet\?"):
        find_format("parket")
    assert [known.name for known in FORMATS] == ["csv", "json", "parquet", "tensorboard", "safetensors", "html"]


@pytest.mark.parametrize(
    ("known", "package"), [("parquet", "pyarrow"), ("tensorboard", "tensorboardX.proto.event_pb2")]
)
def test_a_missing_package_is_named_with_how_to_get_it(
    db: Database, run: RunRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: str, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ExportError, match=r"pip install 'itop\[export\]'"):
        export_runs(db, [run.id], known, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_long_run_takes_no_more_memory_than_a_short_one(db: Database, tmp_path: Path) -> None:
    run = record_run(db, steps=1)
    attempt = run.attempt_count
    assert attempt == 1
    with MetricWriter(db, run.id, 1) as writer:
        for step in range(2, 20_002):
            writer.step(StepMetric(step=step, epoch=1, loss=0.5, accuracy=0.5, at=1.0))

    def peak(known: str, folder: str) -> int:
        tracemalloc.start()
        export_runs(db, [run.id], known, tmp_path / folder)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    # A page of 5,000 steps is about 2 MB; all 20,000 at once would be over 8.
    assert peak("csv", "a") < 6_000_000
    assert peak("json", "b") < 6_000_000
