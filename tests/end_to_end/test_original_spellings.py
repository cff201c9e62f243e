"""`--save PATH` and `--resume PATH` as in the original program, from the command line through real training.

The paths are relative: the process that trains a run does not start in the folder in which the command was typed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import torch
from torch import Tensor

from db.runs import checkpoints, runs
from db.session import Database
from engine.training import checkpoint
from tests.patience import PATIENCE

SETTINGS = "--data digits --model lenet300-100 --no-cuda --sparse --batch-size 100"
STANDING = "--epochs 1 --max_steps 1 --lr 1e-9 --l2 0 --fix"
"""One step that changes no weight, so that the weights found afterwards are those that training began with."""

LAYERS = ("hidden1.weight", "hidden2.weight", "classifier.weight")


def itop(folder: Path, line: str, *, code: int = 0) -> str:
    """Runs a command in a folder; returns what it printed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ITOP_")}
    done = subprocess.run(
        [sys.executable, "-m", "itop_tui", *line.split()],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**kept, "ITOP_HOME": str(folder / "home"), "OMP_NUM_THREADS": "1"},
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == code, f"itop {line}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a run has just left its best weights in `best.pt`."""
    path = tmp_path_factory.mktemp("here")
    itop(path, f"train {SETTINGS} --name first --density 0.1 --epochs 2 --lr 0.05 --fix --save best.pt --wait")
    return path


@pytest.fixture(scope="module")
def database(folder: Path) -> Iterator[Database]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("ITOP_HOME", str(folder / "home"))  # where files of its runs are looked for
        with closing(Database.open()) as opened:
            yield opened


def saved(folder: Path) -> dict[str, Tensor]:
    content = torch.load(folder / "best.pt", weights_only=True)
    weights: dict[str, Tensor] = content["model"]
    return weights


def state_of(database: Database, name: str, kind: str = "last") -> dict[str, object]:
    run = runs.find(database, name)
    assert run.status == "completed", run.reason
    return dict(checkpoint.read(Path(checkpoints.pick(database, run.id, kind).path)))


def weights_and_masks(database: Database, name: str) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    state = state_of(database, name)
    weights, masking = state["model"], state["masking"]
    assert isinstance(weights, dict)
    assert isinstance(masking, dict)
    return weights, masking["masks"]


def test_save_leaves_the_best_weights_where_the_command_was_typed(folder: Path, database: Database) -> None:
    best = state_of(database, "first", "best")["model"]
    assert isinstance(best, dict)
    assert list(saved(folder)) == list(best)
    assert all(torch.equal(weight, best[name]) for name, weight in saved(folder).items())
    assert 0 < sum(int(saved(folder)[name].count_nonzero()) for name in LAYERS) <= round(0.1 * 50_200)


def test_resume_with_sparse_init_resume_takes_weights_and_masks(folder: Path, database: Database) -> None:
    itop(folder, f"train {SETTINGS} {STANDING} --name again --resume best.pt --sparse_init resume --wait")
    weights, masks = weights_and_masks(database, "again")
    assert set(masks) == set(LAYERS)
    for name, weight in saved(folder).items():
        torch.testing.assert_close(weights[name], weight, rtol=0, atol=1e-6)
        if name in masks:
            assert torch.equal(masks[name], weight != 0)


def test_resume_alone_takes_the_weights_under_masks_of_its_own(folder: Path, database: Database) -> None:
    itop(folder, f"train {SETTINGS} {STANDING} --name other --density 0.2 --seed 5 --resume best.pt --wait")
    weights, masks = weights_and_masks(database, "other")
    assert sum(int(mask.sum()) for mask in masks.values()) == round(0.2 * 50_200)
    for name, weight in saved(folder).items():
        expected = weight * masks[name] if name in masks else weight
        torch.testing.assert_close(weights[name], expected, rtol=0, atol=1e-6)
    assert any(not torch.equal(masks[name], saved(folder)[name] != 0) for name in LAYERS)
    assert any(bool((saved(folder)[name] * masks[name]).any()) for name in LAYERS)


def test_sparse_init_resume_without_a_file_queues_nothing(folder: Path, database: Database) -> None:
    said = itop(folder, f"train {SETTINGS} --name never --sparse_init resume", code=2)
    assert "name their file in weights" in " ".join(said.split())
    assert all(run.name != "never" for run in runs.list_runs(database))
