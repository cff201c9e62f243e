"""What is refused before a run is queued: data that is missing, wrong classes, and weights that do not fit."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch

from db.records import RunQuery
from db.runs import checkpoints, runs
from db.session import Database
from engine.config.run_config import RunConfig
from engine.models import build_model
from itop_tui.service import launching
from itop_tui.service.submission_check import SubmissionError, check
from tests.engine.data.files import write_cifar, write_imagenet


def _refused(database: Database, *configs: RunConfig, from_checkpoint: bool = False) -> str:
    with pytest.raises(SubmissionError) as caught:
        check(database, configs, from_checkpoint=from_checkpoint)
    return str(caught.value)


def test_a_data_set_that_is_missing_and_cannot_be_downloaded(database: Database, tmp_path: Path) -> None:
    config = RunConfig.create(data="imagenet", model="resnet50-imagenet", data_dir=str(tmp_path / "data"))
    said = _refused(database, config, config.with_changes(seed=2))
    assert said.splitlines()[0] == f"The data set imagenet is not in {tmp_path / 'data'}."
    assert said.count("is not in") == 1
    with pytest.raises(SubmissionError):
        launching.queue_runs(database, [config])
    assert runs.count(database, RunQuery()) == 0


def test_one_that_can_be_downloaded_or_needs_no_files_is_queued(database: Database, tmp_path: Path) -> None:
    for data in ("digits", "mnist", "cifar10"):
        check(database, [RunConfig.create(data=data, data_dir=str(tmp_path))], from_checkpoint=False)
    write_cifar(tmp_path / "cifar-10-batches-py", "cifar10")
    check(database, [RunConfig.create(data="cifar10", data_dir=str(tmp_path))], from_checkpoint=False)


def test_classes_that_cannot_be_trained_are_named(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_imagenet(tmp_path / "imagenet")
    monkeypatch.setenv("ITOP_DATA_DIR", str(tmp_path))
    config = RunConfig.create(data="imagenet", model="resnet50-imagenet")
    (tmp_path / "imagenet" / "train" / ".ipynb_checkpoints").mkdir()
    check(database, [config], from_checkpoint=False)
    (tmp_path / "imagenet" / "val" / "dog").mkdir()
    root = tmp_path / "imagenet"
    said = f"data = 'imagenet': {root}/val has the class dog that {root}/train does not have"
    assert _refused(database, config, from_checkpoint=True) == said


def test_weights_are_compared_with_the_model(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model = build_model("lenet300-100", classes=5, channels=1, height=8, width=8)
    torch.save(model.state_dict(), "five.pth")
    torch.save(build_model("lenet300-100", classes=10, channels=1, height=8, width=8).state_dict(), "ten.pth")
    base = {"data": "digits", "model": "lenet300-100"}
    assert _refused(database, RunConfig.create(base, weights="five.pth")) == (
        "weights = 'five.pth': do not fit the model: other shape: classifier.weight is [5, 100], the model's is "
        "[10, 100], classifier.bias is [5], the model's is [10]"
    )
    check(database, [RunConfig.create(base, weights="ten.pth")], from_checkpoint=False)


def test_files_that_hold_no_weights_are_refused_without_torch(database: Database, tmp_path: Path) -> None:
    (tmp_path / "page.pth").write_text("<!DOCTYPE html>")
    page, gone = (RunConfig.create(data="digits", weights=str(tmp_path / name)) for name in ("page.pth", "gone.pth"))
    before = time.process_time()
    assert _refused(database, page, gone).splitlines() == [
        f"weights = '{page.weights}': is a web page, not weights: the download brought a page instead of the file",
        f"weights = '{gone.weights}': there is no such file",
    ]
    assert time.process_time() - before < 1
    check(database, [page], from_checkpoint=True)


def test_a_run_that_resumes_needs_its_data_and_not_its_weights(
    database: Database, tmp_path: Path, scheduled: list[str]
) -> None:
    from tests.itop_tui.cli.recorded import trained

    run = trained(database)
    again = launching.queue_again(database, run, checkpoints.pick(database, run.id, "last"))
    assert again.status == "queued"


def test_a_database_on_a_server_leaves_it_to_the_worker(tmp_path: Path) -> None:
    class Server:
        on_server = True

    config = RunConfig.create(data="imagenet", model="resnet50-imagenet", data_dir=str(tmp_path))
    check(Server(), [config], from_checkpoint=False)  # type: ignore[arg-type]
