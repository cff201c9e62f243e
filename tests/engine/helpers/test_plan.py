"""A plan says beforehand what training then does."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from engine.config.catalogue import DATASETS, MODELS
from engine.config.field_info import field_help
from engine.config.run_config import RunConfig
from engine.helpers.plan import make_plan
from engine.helpers.plan_client import PlanError, PlanServer, request_plan
from engine.sparsity import SCHEDULES
from tests.engine.training.helpers import Rows, config, trainer

METHODS: list[dict[str, Any]] = [
    {},
    {"sparse": True},
    {"sparse": True, "growth": "gradient", "death": "magnitude", "max_steps": 10},
    {"sparse": True, "fix": True, "sparse_init": "uniform", "accumulate": 2},
    {"sparse": True, "growth": "momentum", "redistribution": "momentum", "valid_split": 0.0},
    {"sparse": True, "sparse_init": "lottery_ticket", "fill_empty_layers": True},
    {"sparse": True, "sparse_init": "GMP"},
    {"sparse": True, "start_epoch": 2, "dense_first_layer": True, "density": 0.5},
]


@pytest.mark.parametrize("settings", METHODS, ids=lambda settings: "-".join(map(str, settings.values())) or "dense")
def test_plan_is_what_training_does(settings: dict[str, Any]) -> None:
    run = config(**settings)
    plan = make_plan(run)
    rows = Rows()
    one = trainer(run, [rows])
    first = one.layer_stats()
    one.fit()
    last = one.layer_stats()
    layers = last if run.sparse_init == "GMP" else first
    assert [(layer.name, layer.shape, layer.nonzeros) for layer in plan.layers] == [
        (layer.layer, layer.shape, layer.nonzeros) for layer in layers
    ]
    assert plan.nonzeros == sum(layer.nonzeros for layer in layers)
    assert plan.steps == len(rows.steps)
    assert plan.mask_updates == len(rows.updates)
    assert plan.dense_training_flops == pytest.approx(3 * plan.dense_forward_flops * one.flops.samples, rel=1e-12)
    if run.redistribution == "none":  # where weights move between layers, the cost follows them
        assert plan.training_flops == pytest.approx(one.flops.total, rel=1e-4)
    assert plan.expected_itop_rate is not None
    assert one.itop_rate <= plan.expected_itop_rate + 0.01
    if run.growth == "random" and run.start_epoch == 1:  # updates before the start count in the estimate
        assert one.itop_rate == pytest.approx(plan.expected_itop_rate, abs=0.01)


@pytest.mark.parametrize("settings", METHODS[:3], ids=lambda settings: "-".join(map(str, settings.values())) or "dense")
def test_a_plan_from_a_checkpoint_is_of_what_remains(settings: dict[str, Any]) -> None:
    run = config(**settings)
    whole, rest = make_plan(run), make_plan(run, from_step=8)
    assert rest.steps == whole.steps - 8
    before = make_plan(run.with_changes(max_steps=8))
    assert before.mask_updates + rest.mask_updates == whole.mask_updates
    assert before.training_flops + rest.training_flops == pytest.approx(whole.training_flops)
    assert rest.expected_itop_rate is None  # what was explored before is in the checkpoint
    assert make_plan(run, from_step=10**6).steps == 0


def test_the_help_of_a_schedule_names_where_it_ends() -> None:
    help_text = field_help("decay_schedule")
    for name in ("cosine", "linear", "constant"):
        end = SCHEDULES[name](0.5, 100, 100)
        assert (f"{name} (to {end:g} at the last step)" in help_text) == (name != "constant")


@pytest.mark.parametrize("model", [name for name in MODELS if "imagenet" not in name])
def test_every_model_plans_on_the_meta_device(model: str) -> None:
    info = MODELS[model]
    data = info.default_dataset
    plan = make_plan(RunConfig.create(model=model, data=data, sparse=True, density=0.05))
    assert plan.parameters == info.parameters
    assert plan.maskable == info.maskable
    assert plan.nonzeros == round(0.05 * info.maskable)
    assert plan.steps == 250 * -(-(DATASETS[data].train_size * 9 // 10) // 100)


def test_published_resnet_50() -> None:
    """The table of RigL's paper: 8.2e9 dense; forward at ERK 90 % 0.24; SNFS training 0.50 of dense."""
    plan = make_plan(
        RunConfig.create(
            model="resnet50-imagenet",
            data="imagenet",
            sparse=True,
            density=0.1,
            growth="momentum",
            redistribution="momentum",
        )
    )
    assert plan.dense_forward_flops == pytest.approx(8.2e9, rel=0.01)
    assert plan.forward_flops / plan.dense_forward_flops == pytest.approx(0.24, abs=0.01)
    assert plan.training_flops / plan.dense_training_flops == pytest.approx(0.50, abs=0.01)


def test_attention_counts_with_its_projections_and_its_own_products() -> None:
    plan = make_plan(config(sparse=True, density=0.1, model="tests.engine.sparsity.flops_table:attentive"))
    # Eight tokens: 8 → 64, four projections of 64 × 64, 64 → 64; the last layer reads their mean.
    projected = 2 * 8 * (8 * 64 + 5 * 64 * 64) + 2 * 64 * 10
    assert plan.activation_flops == 2 * 2 * 8 * 8 * 64
    assert plan.dense_forward_flops == projected + plan.activation_flops
    assert plan.activation_flops < plan.forward_flops < plan.dense_forward_flops


def test_command_prints_one_document() -> None:
    given = json.dumps(config(sparse=True).as_dict())
    done = subprocess.run(
        [sys.executable, "-m", "engine.helpers.plan"], input=given, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == make_plan(config(sparse=True)).as_dict()


def test_server_answers_again_and_again_and_errors_in_one_message() -> None:
    with PlanServer() as server:
        plan = server.ask(config(sparse=True))
        assert set(plan) == {
            "layers",
            "parameters",
            "maskable",
            "nonzeros",
            "dense_forward_flops",
            "forward_flops",
            "activation_flops",
            "dense_training_flops",
            "training_flops",
            "steps",
            "mask_updates",
            "expected_itop_rate",
            "coverage",
        }
        assert plan["layers"][0].keys() == {"name", "shape", "density", "nonzeros"}
        wrong: list[tuple[dict[str, Any], str]] = [
            ({"density": 2}, "density = 2: must be a number above 0 and at most 1"),
            ({"model": "no_module:knows"}, "no_module:knows"),
            ({"sparse": True, "sparse_init": "resume", "weights": "/nowhere.pt"}, "there is no such file"),
            ({"model": "tests.engine.helpers.test_plan:chatty"}, "calling it failed with ValueError"),
        ]
        for settings, message in wrong:
            with pytest.raises(PlanError, match=message):
                server.ask(settings)
        assert server.ask(config(sparse=True)) == plan


def chatty() -> None:
    """A user's model that prints where answers are expected, and fails."""
    print("hello")
    raise ValueError("no")


def test_server_that_dies_is_started_again() -> None:
    with PlanServer() as server:
        server.start()
        assert server._process is not None
        server._process.kill()
        server._process.wait()
        assert server.ask(config())["steps"] == 21
    with pytest.raises(PlanError, match="closed"):
        server.ask(config())


def test_no_answer_in_time() -> None:
    with pytest.raises(PlanError, match=r"no plan after 0\.01 seconds"):
        request_plan(config(), timeout=0.01)
