"""A model and a data set of the user's own, from `itop plan` and `itop train` to the recorded run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from db.history import metrics
from db.records import RunRecord, RunStatus
from db.runs import attempts, checkpoints, runs
from db.session import Database
from engine.config.references import PROGRAM
from engine.helpers import plan
from itop_tui.service import launching
from itop_tui.service.code_review import changed_since, code_reviews
from tests.engine.training.helpers import config
from tests.engine.worker_runs import failed
from tests.patience import PATIENCE

_SOURCE = """
import torch
from torch import nn

def network(classes, channels, height, width):
    return nn.Sequential(
        nn.Conv2d(channels, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(),
        nn.Linear(6 * height * width, classes),
    )

def pictures():
    generator = torch.Generator().manual_seed(1)
    labels = torch.arange(240) % 3
    images = torch.randn(240, 2, 6, 5, generator=generator) * 0.1
    images[torch.arange(240), 0, labels] += 1.0
    return (images[:180], labels[:180]), (images[180:], labels[180:])

def for_ten():
    return nn.Sequential(nn.Flatten(), nn.Linear(60, 10))

def no_pair():
    return 5

def gone():
    import sys
    sys.exit(4)

class Ends(nn.Module):
    def forward(self, x):
        raise SystemExit("no")

def forward_ends():
    return Ends()

class Items(list):
    def __getitem__(self, index):
        raise SystemExit

def item_ends():
    return Items([1]), Items([1])
"""
SETTINGS = (
    "--epochs 4 --batch-size 30 --lr 0.05 --sparse --density 0.3 --update_frequency 5 --growth gradient --no-cuda"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    here = tmp_path / "project"
    (here / "mine").mkdir(parents=True)
    (here / "mine" / "__init__.py").write_text("")
    (here / "mine" / "things.py").write_text(_SOURCE)
    return here


def itop(folder: Path, line: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "itop_tui", *line.split()],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_own_model_and_data_are_planned_and_trained(db: Database, folder: Path) -> None:
    own = f"--model mine.things:network --data mine.things:pictures {SETTINGS}"
    planned = itop(folder, f"plan {own} --json")
    assert planned.returncode == 0, planned.stderr
    expected = json.loads(planned.stdout)
    assert [(one["name"], one["shape"]) for one in expected["layers"]] == [
        ("0.weight", [6, 2, 3, 3]),
        ("4.weight", [3, 180]),
    ]
    assert expected["nonzeros"] == round(0.3 * (6 * 2 * 9 + 3 * 180))

    done = itop(folder, f"train {own} --wait --json")
    assert done.returncode == 0, done.stderr
    run = runs.get(db, json.loads(done.stdout)["id"])
    assert run.status is RunStatus.COMPLETED
    assert (run.step, run.nonzeros) == (expected["steps"], expected["nonzeros"])
    assert len(metrics.mask_updates(db, run.id)) == expected["mask_updates"] + 1
    assert run.training_flops == pytest.approx(expected["training_flops"], rel=1e-3)
    assert run.test_accuracy is not None
    assert run.test_accuracy > 0.9


def test_what_does_not_import_is_one_clear_line(db: Database, folder: Path) -> None:
    own = f"--model mine.things:net --data digits {SETTINGS}"
    message = "'mine.things' has no 'net'"
    for command in ("plan", "train --wait"):
        done = itop(folder, f"{command} {own}")
        assert done.returncode != 0
        assert message in " ".join((done.stderr + done.stdout).split())
        assert "Traceback" not in done.stderr + done.stdout


_TAKEN = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--width", type=int, default=3)
options = parser.parse_args()
from torch import nn
from engine.size import width
import helper

def build(classes, channels, height, width_=width):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, options.width + width), nn.Linear(options.width + width, classes))
"""


@pytest.fixture
def taken(folder: Path) -> Path:
    """A folder whose modules have the names of this program's and of Python's, and read the command line."""
    (folder / "engine").mkdir()
    (folder / "engine" / "net.py").write_text(_TAKEN)
    (folder / "engine" / "size.py").write_text("width = 4\n")
    (folder / "engine" / "helper.py").write_text("from types import SimpleNamespace\n")
    (folder / "types.py").write_text("")
    return folder


def work(run: RunRecord, folder: Path) -> str:
    """Let a real worker start a run, as a warden does; returns what it said."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "engine.worker", str(run.id)],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(PROGRAM)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_file_with_a_name_that_is_taken_is_planned_trained_and_resumed_from_elsewhere(
    db: Database, taken: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(taken)
    for name in ("path", "meta_path"):
        monkeypatch.setattr(sys, name, list(getattr(sys, name)))
    own = config(model="engine/net.py:build", data="digits", epochs=1, max_steps=3, device="cpu")
    assert plan.answer(own.as_dict())["layers"][0]["shape"] == [7, 64]
    (run,) = launching.queue_runs(db, [own])
    assert (run.model, run.config["model"]) == ("net.py:build", f"{taken}/engine/net.py:build")
    (taken / "engine" / "size.py").write_text("width = 6\n")
    assert "the code has changed since the run was queued: size.py" in work(run, taken)

    review = code_reviews(db, run.id)[1]
    assert [Path(file.path).name for file in review.files] == ["net.py", "size.py", "helper.py"]
    assert [Path(one.path).name for one in review.before_start] == ["size.py"]
    assert review.since == ()
    assert "-width = 4\n+width = 6\n" in review.difference(None)
    monkeypatch.chdir("/")
    (taken / "engine" / "helper.py").unlink()
    (taken / "engine" / "helper.py").write_text("# nothing\n")
    assert changed_since(db, attempts.latest(db, run.id)) == "helper.py"
    longer = own.with_changes(max_steps=5)
    again = launching.queue_again(db, runs.get(db, run.id), checkpoints.pick(db, run.id, "last"), longer, 5)
    assert "has changed" not in work(again, Path("/"))
    assert runs.get(db, run.id).step == 5
    second = code_reviews(db, run.id)[2]
    assert (second.before_start, second.since) == ((), ())


@pytest.mark.usefixtures("signals")
@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"model": "mine.thing:network"}, "'mine.thing:network': module 'mine.thing' does not import"),
        ({"data": "mine.things:picture"}, "'mine.things' has no 'picture'; did you mean pictures?"),
        ({"model": "mine/things.py:for_ten", "data": "mine/things.py:pictures"}, "answers shape (2, 10), not (2, 3)"),
        ({"data": "mine/things.py:gone"}, "mine/things.py:gone': mine/things.py ended the process: sys.exit(4)"),
        ({"model": "mine.things:gone"}, "mine.things ended the process: sys.exit(4) in mine/things.py line 26"),
        ({"model": "mine.things:forward_ends"}, "ended the process: sys.exit('no') in mine/things.py line 30"),
        ({"data": "mine.things:item_ends"}, "mine.things ended the process: sys.exit() in mine/things.py line 37"),
        ({"model": "mine.things:for_ten", "data": "mine.things:pictures"}, "answers shape (2, 10), not (2, 3)"),
        ({"model": "mine.things:network", "data": "mine.things:no_pair"}, "'mine.things:no_pair': it returned"),
    ],
)
def test_plan_and_worker_say_what_does_not_fit(
    db: Database, folder: Path, own: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("mine", "mine.things"):  # another test's folder may have been imported
        monkeypatch.delitem(sys.modules, name, raising=False)
    reason = failed(db, **own).reason
    assert reason is not None
    assert message in reason
    planned = plan.answer(config(**own).as_dict())
    assert planned == {"error": reason}
