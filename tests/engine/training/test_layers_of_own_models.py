"""Models of attention, recurrent and re-parametrised layers, trained as the worker trains them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.config.run_config import RunConfig
from engine.helpers.plan import answer, make_plan
from engine.training import checkpoint
from engine.training.setup import SetupError
from tests.engine.training.helpers import config, same, trainer, without_times
from tests.engine.training.test_resume import assert_same

READER = "tests.engine.training.models:reader"
MASKED = [
    "enter.weight",
    "attention.in_proj_weight",
    "attention.out_proj.weight",
    "recurrent.weight_ih_l0",
    "recurrent.weight_hh_l0",
    "head.parametrizations.weight.original1",
]


def reader(**settings: Any) -> RunConfig:
    return config(**{"model": READER, "sparse": True, "growth": "gradient", "epochs": 2, **settings})


def test_the_plan_says_what_stays_dense_and_the_density_over_all() -> None:
    run = reader()
    plan = make_plan(run)
    assert [layer.name for layer in plan.layers] == MASKED
    one = trainer(run)
    assert one.masking is not None
    assert plan.coverage == one.masking.coverage
    assert [matrix.name for matrix in plan.coverage.dense] == ["places", "head.parametrizations.weight.original0"]
    everything = [parameter for parameter in one.model.parameters() if parameter.dim() > 1]
    assert plan.coverage.matrix_weights == sum(parameter.numel() for parameter in everything)
    outcome = one.fit()
    assert outcome.status == "completed"
    nonzero = sum(int(parameter.count_nonzero()) for parameter in everything)
    assert nonzero <= round(one.masking.coverage.density * plan.coverage.matrix_weights)
    assert one.masking.nonzeros == round(0.1 * plan.maskable)


def test_named_layers_are_masked_as_asked() -> None:
    densities = "enter=0.5,attention.*_proj_weight=0.25"
    run = reader(density=0.4, include="places", exclude="recurrent,head", layer_densities=densities)
    one = trainer(run)
    assert one.masking is not None
    active = {name: (int(mask.sum()), mask.numel()) for name, mask in one.masking.masks.items()}
    assert list(active) == ["places", "enter.weight", "attention.in_proj_weight", "attention.out_proj.weight"]
    assert (active["enter.weight"], active["attention.in_proj_weight"]) == ((32, 64), (48, 192))
    assert make_plan(reader(exclude="recurrent")).coverage.dense[1].why == "excluded"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"exclude": "recurent"}, "exclude: 'recurent' is not known. Did you mean 'recurrent'?"),
        ({"include": "place"}, "include: 'place' is not known. Did you mean 'places'?"),
        ({"layer_densities": "haed=0.5"}, "layer_densities: 'haed' is not known. Did you mean 'head'?"),
    ],
)
def test_a_wrong_name_is_one_message_of_plan_and_training(settings: dict[str, str], words: str) -> None:
    run = reader(**settings)
    assert answer(run.as_dict())["error"].startswith(words)
    with pytest.raises(SetupError) as caught:
        trainer(run)
    assert str(caught.value).startswith(words)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("step", [3, 8])
def test_cut_at_a_step(step: int, tmp_path: Path) -> None:
    assert_same(reader(), [step], tmp_path)


def test_a_checkpoint_of_a_version_that_masked_fewer_layers_resumes_with_those(tmp_path: Path) -> None:
    """It left attention's in-projection and the recurrent layer dense, and knew no setting that names layers."""
    fewer = "attention.in_proj_weight,recurrent,head"
    older = trainer(reader(exclude=fewer, max_steps=5))
    older.fit()
    state = older.state_dict()
    state["config"] = {name: value for name, value in state["config"].items() if name not in ("include", "exclude")}
    del state["config"]["layer_densities"]
    checkpoint.write(tmp_path / "older.pt", state)

    again = trainer(reader())
    again.load_state_dict(checkpoint.read(tmp_path / "older.pt"))
    assert again.masking is not None
    assert list(again.masking.masks) == ["enter.weight", "attention.out_proj.weight"]
    assert "attention.in_proj_weight" in [matrix.name for matrix in again.masking.coverage.dense]
    again.fit()

    whole = trainer(reader(exclude=fewer))
    whole.fit()
    mine, theirs = without_times(again.state_dict()), without_times(whole.state_dict())
    assert all(same(mine[part], theirs[part]) for part in ("model", "optimizer", "masking", "random"))


def test_a_dense_fork_of_a_sparse_run_has_no_nan(tmp_path: Path) -> None:
    """A row of the weight norm may have no active weight, and a dense run has no masks that know of it."""
    sparse = trainer(reader(density=0.05, layer_densities="head=0.05"))
    sparse.fit()
    checkpoint.write(tmp_path / "state.pt", sparse.state_dict())
    dense = trainer(reader(sparse=False, epochs=4))
    dense.load_state_dict(checkpoint.read(tmp_path / "state.pt"), fork=True)
    head = dense.model.get_parameter("head.parametrizations.weight.original1")
    assert bool((head == 0).all(dim=1).any())
    assert dense.fit().status == "completed"
