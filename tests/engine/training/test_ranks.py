"""Three true ranks with gloo go over all rules once (`rank_script`); the tests here look at what came of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.engine.training.helpers import same, without_times
from tests.engine.training.rank_cases import ACTIVE, ALONE_TOO, RULES, SIZES
from tests.patience import PATIENCE

Result = Callable[[str, int, int], Any]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What three ranks wrote down."""
    if not torch.distributed.is_available() or not torch.distributed.is_gloo_available():
        pytest.skip("this torch has no gloo")
    folder = tmp_path_factory.mktemp("ranks")
    script = [sys.executable, "-P", "-m", "tests.engine.training.rank_script"]
    environment = {**os.environ, "TORCH_CPP_LOG_LEVEL": "ERROR", "PYTHONPATH": str(Path(__file__).parents[3])}
    ranks = [subprocess.Popen([*script, str(rank), str(folder)], env=environment) for rank in range(max(SIZES))]
    try:
        assert [rank.wait(timeout=PATIENCE) for rank in ranks] == [0, 0, 0]
    finally:
        for rank in ranks:
            rank.kill()
            rank.wait()
    return folder


@pytest.fixture(scope="module")
def result(folder: Path) -> Result:
    """Reads what a rank of so many wrote of a case."""
    return lambda name, size, rank: torch.load(folder / f"{name}-{size}-{rank}.pt", weights_only=False)


def alike(mine: list[Any], theirs: list[Any]) -> bool:
    """Whether rows of numbers agree within the order in which sums are rounded."""
    return len(mine) == len(theirs) and all(
        one == pytest.approx(other, rel=1e-3, abs=1e-6) for one, other in zip(mine, theirs, strict=True)
    )


@pytest.mark.parametrize("name", RULES)
def test_one_two_and_three_ranks_have_the_same_masks_by_every_rule(result: Result, name: str) -> None:
    alone = result(name, 1, 0)
    assert alone["step"] == 7
    assert alone["state"]["masking"]["updates"] >= 3
    for size in SIZES:
        for rank in range(size):
            assert same(result(name, size, rank)["masks"], alone["masks"]), f"rank {rank} of {size}"


@pytest.mark.parametrize("name", [name for name in ALONE_TOO if name != "diverged"])
def test_weights_and_figures_are_those_of_one_process_within_rounding(result: Result, name: str) -> None:
    alone = result(name, 1, 0)
    assert alone["outcome"] == ("completed", None)
    for size in SIZES[1:]:
        first = result(name, size, 0)
        for rank in range(size):
            assert same(result(name, size, rank)["weights"], first["weights"]), "ranks differ by a bit"
        for key, value in alone["weights"].items():
            torch.testing.assert_close(first["weights"][key], value, rtol=1e-3, atol=1e-5)
        assert alike(first["steps"], alone["steps"])
        assert alike(first["epochs"], alone["epochs"])


def test_all_ranks_end_a_diverged_run_at_one_step(result: Result) -> None:
    for size in SIZES:
        status, reason = result("diverged", size, 0)["outcome"]
        assert status == "failed"
        assert "NaN" in reason or "infinite" in reason
        assert len({result("diverged", size, rank)["step"] for rank in range(size)}) == 1


def test_a_stop_takes_all_ranks_at_one_step_with_the_checkpoint_asked_for(folder: Path) -> None:
    steps = {torch.load(folder / f"stopped-{rank}.pt") for rank in range(3)}
    assert len(steps) == 1
    assert 2 < steps.pop() <= 5  # the results arrive with the next step, and the wish is obeyed one step after it
    saved = torch.load(folder / "stopped.pt", weights_only=False)
    assert saved["answers"] == ["this run writes no checkpoints"]
    others = saved["state"]["ranks"]
    assert len(others) == 2
    generators = [saved["state"]["random"], *others]
    assert len({bytes(one["torch"].numpy()) for one in generators}) == 3, "the ranks draw the same dropout"


def test_stopped_and_resumed_ranks_end_bit_identical_with_dropout(result: Result) -> None:
    whole, resumed = result("whole", 3, 0), result("resumed", 3, 0)
    mine, theirs = without_times(resumed["state"]), without_times(whole["state"])
    assert mine.keys() == theirs.keys()
    for part in theirs:
        assert same(mine[part], theirs[part]), part
    for rank in (1, 2):
        assert same(result("resumed", 3, rank)["weights"], result("whole", 3, rank)["weights"])


def test_ranks_whose_masks_differ_all_end_and_are_named(folder: Path) -> None:
    said = [torch.load(folder / f"differ-3-{rank}.pt") for rank in range(3)]
    assert said == ["the ranks have different masks after update 1 (step 0): ranks 0, 2 against rank 1"] * 3
    said = [torch.load(folder / f"differ-2-{rank}.pt") for rank in range(2)]
    assert said == ["the ranks have different masks after update 1 (step 0): rank 0 against rank 1"] * 2


@pytest.mark.parametrize("name", ACTIVE)
def test_exchanging_active_gradients_alone_changes_no_weight(result: Result, name: str) -> None:
    dense, active = result(f"{name}-dense", 2, 0), result(f"{name}-active", 2, 0)
    assert same(active["masks"], dense["masks"])
    for rank in range(2):
        for key, value in dense["weights"].items():
            assert torch.equal(result(f"{name}-active", 2, rank)["weights"][key], value), key
    assert active["steps"] == dense["steps"]
