"""RunConfig: what is accepted, what is refused and in which words."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config.experiments import experiment
from engine.config.field_info import (
    FIELD_SECTIONS,
    choices_of,
    field_flags,
    field_help,
    irrelevant_because,
    setting_text,
)
from engine.config.presets import PRESETS, preset
from engine.config.run_config import ConfigError, RunConfig


def problems(**settings: Any) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        RunConfig.create(settings)
    return {problem.field: problem.message for problem in caught.value.problems}


def test_the_defaults_are_the_published_ones() -> None:
    config = RunConfig.create()
    assert (config.density, config.death_rate, config.redistribution) == (0.33, 0.5, "none")
    assert (config.lr, config.momentum, config.l2, config.epochs, config.multiplier) == (
        0.1,
        0.9,
        5e-4,
        250,
        1,
    )
    assert config.method == "dense"


def test_every_problem_is_told_at_once_with_field_value_range_and_nearest_spelling() -> None:
    with pytest.raises(ConfigError) as caught:
        RunConfig.create(density=1.5, growth="gradiant", epoch=3, lr="fast")
    assert str(caught.value).splitlines() == [
        "density = 1.5: must be a number above 0 and at most 1",
        f"growth = 'gradiant': must be one of {', '.join(choices_of('growth'))}; did you mean gradient?",
        "lr = 'fast': must be a number above 0",
        "epoch = 3: there is no such setting; did you mean epochs?",
    ]


@pytest.mark.parametrize(
    ("settings", "field", "words"),
    [
        ({"fix": True}, "fix", "needs a sparse run"),
        ({"sparse": True, "compile": True, "execution": "auto"}, "execution", "must be masked with compile"),
        ({"sparse": True, "fix": True, "sparse_init": "GMP"}, "fix", "starts dense and prunes"),
        ({"sparse": True, "sparse_init": "resume"}, "sparse_init", "name their file in weights"),
        ({"epochs": 5, "warmup_epochs": 5}, "warmup_epochs", "fewer than the 5 epochs"),
        ({"epochs": 5, "start_epoch": 6}, "start_epoch", "one of the 5 epochs"),
        ({"model": "lenet5", "data": "digits"}, "model", "at least 16×16 pixels"),
        ({"model": "vgg-x"}, "model", "vgg-"),
        ({"data": "cifar11"}, "data", "cifar10"),
        ({"device": "gpu"}, "device", "did you mean cuda?"),
        ({"device": "cuda:x"}, "device", "number of a GPU"),
        ({"lr": float("nan")}, "lr", "a number above 0"),
        ({"epochs": 2.5}, "epochs", "a whole number at least 1"),
        ({"last_update": 0}, "last_update", "a whole number at least 1 or empty"),
        ({"sparse": "perhaps"}, "sparse", "true or false"),
    ],
)
def test_a_wrong_setting_is_refused_in_words(settings: dict[str, Any], field: str, words: str) -> None:
    assert words in problems(**settings)[field]


def test_settings_wrong_together_are_all_told() -> None:
    assert set(problems(fix=True, epochs=2, warmup_epochs=4, start_epoch=9)) == {
        "fix",
        "warmup_epochs",
        "start_epoch",
    }


@pytest.mark.parametrize("sparse_init", choices_of("sparse_init"))
def test_what_the_masks_would_refuse_is_refused_before_anything_is_queued(sparse_init: str) -> None:
    """The schema is torch-free, so it states the engine's rules for combinations itself: they must agree."""
    from engine.sparsity import SparsityConfig

    for growth, death, redistribution, fix, dense_first_layer in itertools.product(
        choices_of("growth"), choices_of("death"), choices_of("redistribution"), (False, True), (False, True)
    ):
        rules: dict[str, Any] = {"growth": growth, "death": death, "redistribution": redistribution}
        try:
            SparsityConfig(distribution=sparse_init, fixed=fix, dense_first_layer=dense_first_layer, **rules)
            engine_accepts = True
        except ValueError:
            engine_accepts = False
        settings = {"sparse": True, "sparse_init": sparse_init, "weights": "w.pt", "fix": fix, **rules}
        try:
            RunConfig.create(settings, dense_first_layer=dense_first_layer)
            schema_accepts = True
        except ConfigError:
            schema_accepts = False
        assert schema_accepts == engine_accepts, settings


def test_a_very_long_value_does_not_flood_the_message() -> None:
    with pytest.raises(ConfigError) as caught:
        RunConfig.create(growth="x" * 10_000)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("given_as", "field", "means"),
    [
        ("erk", "sparse_init", "ERK"),
        ("taylor_fo", "death", "Taylor_FO"),
        ("set", "death", "SET"),
        ("random-unfired", "growth", "random_unfired"),
        ("ResNet34", "model", "resnet-34"),
        ("MLPCIFAR10", "model", "mlp-cifar10"),
        ("CUDA:1", "device", "cuda:1"),
    ],
)
def test_spellings_of_the_field_are_accepted(given_as: str, field: str, means: str) -> None:
    assert getattr(RunConfig.create({"data": "cifar10", field: given_as}), field) == means


@pytest.mark.parametrize(
    ("settings", "method"),
    [
        ({}, "dense"),
        ({"sparse": True, "fix": True}, "static"),
        ({"sparse": True}, "SET-ITOP"),
        ({"sparse": True, "death": "SET"}, "SET-ITOP"),
        ({"sparse": True, "growth": "gradient"}, "RigL-ITOP"),
        ({"sparse": True, "growth": "momentum", "redistribution": "momentum"}, "SNFS"),
        ({"sparse": True, "sparse_init": "GMP"}, "GMP"),
        ({"sparse": True, "growth": "random_unfired", "death": "threshold"}, "random_unfired+threshold"),
        (
            {"sparse": True, "growth": "momentum_neuron", "redistribution": "nonzeros"},
            "momentum_neuron+magnitude+nonzeros",
        ),
    ],
)
def test_a_run_is_called_by_its_method(settings: dict[str, Any], method: str) -> None:
    assert RunConfig.create(settings).method == method


def test_steps_of_the_published_cifar_recipe() -> None:
    # 45,000 training images in batches of 128: 351 full ones and a part, 250 epochs
    assert preset("rigl-itop").config().planned_steps() == 352 * 250
    assert preset("rigl-itop-5x").config().planned_steps() == 352 * 250 * 5
    assert preset("rigl-itop").config(accumulate=2).planned_steps() == 176 * 250
    assert preset("rigl-itop").config(max_steps=7).planned_steps() == 7
    assert RunConfig.create(data="my.module:data").planned_steps() is None


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_a_valid_configuration(name: str) -> None:
    config = preset(name).config()
    assert RunConfig.create(json.loads(json.dumps(config.as_dict()))) == config


def test_an_unknown_preset_names_the_nearest() -> None:
    with pytest.raises(LookupError, match="did you mean rigl-itop"):
        preset("rigl-itpo")


def test_every_field_has_a_section_and_help_and_its_default_is_valid() -> None:
    listed = [name for fields in FIELD_SECTIONS.values() for name in fields]
    assert sorted(listed) == sorted(RunConfig.model_fields)
    for name in listed:
        assert len(field_help(name)) > 20
        if choices := choices_of(name):
            assert getattr(RunConfig.create(), name) in choices
    assert field_flags("loader_workers") == ("--max-threads",)


@given(
    density=st.floats(min_value=0, max_value=1, exclude_min=True),
    death_rate=st.floats(min_value=0, max_value=1),
    growth=st.sampled_from(choices_of("growth")),
    death=st.sampled_from(choices_of("death")),
    epochs=st.integers(min_value=1, max_value=10_000),
    seed=st.integers(min_value=0, max_value=2**32 - 1),
)
def test_a_configuration_survives_the_database(**settings: Any) -> None:
    config = RunConfig.create(sparse=True, **settings)
    assert RunConfig.create(json.loads(json.dumps(config.as_dict()))) == config
    assert config.changes(config) == {}


def test_changes_name_what_differs() -> None:
    base = RunConfig.create()
    assert base.changes(base.with_changes(seed=3)) == {"seed": (17, 3)}
    with pytest.raises(ConfigError, match="density = 2"):
        base.with_changes(density=2)


@pytest.mark.parametrize(
    ("settings", "field", "relevant"),
    [
        ({}, "density", False),
        ({"sparse": True}, "density", True),
        ({"sparse": True, "fix": True}, "growth", False),
        ({"sparse": True, "sparse_init": "GMP"}, "growth", False),
        ({"sparse": True, "sparse_init": "GMP"}, "update_frequency", True),
        ({"sparse": True}, "threshold", False),
        ({"sparse": True, "death": "threshold"}, "threshold", True),
        ({"sparse": True, "death": "threshold"}, "death_rate", False),
        ({"optimizer": "adam"}, "momentum", False),
        ({"momentum": 0.0}, "nesterov", False),
        ({}, "lr", True),
        ({"sparse": True}, "reduce_active", False),
        ({"devices": "2"}, "reduce_active", False),
        ({"sparse": True, "devices": "2"}, "reduce_active", True),
        ({"devices": "cuda:0,cuda:1"}, "sync_batchnorm", True),
    ],
)
def test_fields_without_effect_say_why(settings: dict[str, Any], field: str, relevant: bool) -> None:
    assert (irrelevant_because(settings, field) is None) == relevant


def test_a_time_limit_is_written_as_people_do_and_is_no_part_of_the_recipe() -> None:
    config = RunConfig.create(time_limit="1h30m")
    assert config.time_limit == config.as_dict()["time_limit"] == 5400.0
    assert setting_text("time_limit", config.time_limit) == "1h30m"
    assert setting_text("time_limit", None) == ""
    assert setting_text("lr", 0.1) == "0.1"
    assert RunConfig.create(config.as_dict()) == config
    assert experiment(config) == experiment(RunConfig.create())
    with pytest.raises(ConfigError, match="time_limit = 'soon': must be a length of time above 0, such as 90m"):
        RunConfig.create(time_limit="soon")


def test_devices_are_a_number_or_gpus_by_name() -> None:
    written = {2: "2", "02": "2", "cuda:0,1": "cuda:0,cuda:1", " CUDA:2, cuda:0 ": "cuda:2,cuda:0", "cuda:1": "cuda:1"}
    for text, kept in written.items():
        config = RunConfig.create(devices=text)
        assert config.devices == kept
        assert RunConfig.create(config.as_dict()) == config
    assert [RunConfig.create(devices=each).ranks for each in ("1", "3", "cuda:0,2")] == [1, 3, 2]
    assert RunConfig.create(devices="cuda:0,2").gpu_names == ("cuda:0", "cuda:2")
    assert experiment(RunConfig.create(devices=2)) == experiment(RunConfig.create())


@pytest.mark.parametrize(
    ("settings", "field", "words"),
    [
        ({"devices": "0"}, "devices", "from 1 to 64"),
        ({"devices": "two"}, "devices", "a number of devices, as in 2, or GPUs by name, as in cuda:0,1"),
        ({"devices": "cuda:0,0"}, "devices", "names cuda:0 twice"),
        ({"devices": "cuda:0,1", "device": "cpu"}, "devices", "leave device at auto"),
        ({"devices": "2", "device": "cuda:1"}, "devices", "name all of them"),
        ({"devices": "2", "sparse": True, "execution": "auto"}, "execution", "several devices"),
        ({"reduce_active": True, "sparse": True, "growth": "momentum"}, "reduce_active", "growth momentum"),
        (
            {"reduce_active": True, "sparse": True, "redistribution": "momentum"},
            "reduce_active",
            "redistribution momentum",
        ),
    ],
)
def test_devices_that_cannot_be_meant_are_refused_in_words(settings: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(ConfigError) as raised:
        RunConfig.create(settings)
    (problem,) = raised.value.problems
    assert problem.field == field
    assert words in problem.message
