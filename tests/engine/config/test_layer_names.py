"""Settings that name layers: how they are written, kept and refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config import layer_names
from engine.config.continuation import LAYERS, refusal
from engine.config.experiments import differing_settings, experiment
from engine.config.run_config import ConfigError, RunConfig


@pytest.mark.parametrize(
    ("given_as", "kept"),
    [
        ("emb", "emb"),
        (" head , emb,,emb ", "emb,head"),
        (["head", "emb"], "emb,head"),
        (("a.*",), "a.*"),
        ("", None),
        (" , ", None),
        ([], None),
        (None, None),
    ],
)
def test_names_are_kept_in_one_form(given_as: object, kept: str | None) -> None:
    config = RunConfig.create(include=given_as, exclude=given_as)
    assert config.include == config.exclude == kept
    assert layer_names.names(config.include) == (() if kept is None else tuple(kept.split(",")))
    assert RunConfig.create(json.loads(json.dumps(config.as_dict()))) == config


@pytest.mark.parametrize(
    ("given_as", "kept", "means"),
    [
        ("fc1=0.10, fc2=.5", "fc1=0.1,fc2=0.5", {"fc1": 0.1, "fc2": 0.5}),
        ("b=1,a=0", "b=1,a=0", {"b": 1.0, "a": 0.0}),
        ("a=0.2,b=0.3,a=0.4", "b=0.3,a=0.4", {"b": 0.3, "a": 0.4}),
        ({"fc1": 0.1, "fc2": 1}, "fc1=0.1,fc2=1", {"fc1": 0.1, "fc2": 1.0}),
        ("x=1e-3", "x=0.001", {"x": 0.001}),
        ("", None, {}),
        ({}, None, {}),
    ],
)
def test_densities_are_kept_in_one_form(given_as: object, kept: str | None, means: dict[str, float]) -> None:
    config = RunConfig.create(layer_densities=given_as)
    assert config.layer_densities == kept
    assert layer_names.densities(config.layer_densities) == means
    assert RunConfig.create(config.as_dict()) == config


@given(st.dictionaries(st.text("abc.*_1", min_size=1), st.floats(0, 1), max_size=4))
def test_densities_survive_the_database(means: dict[str, float]) -> None:
    config = RunConfig.create(layer_densities=means)
    assert layer_names.densities(RunConfig.create(config.as_dict()).layer_densities) == means


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("layer_densities", "fc1", "layer_densities = 'fc1': 'fc1' must be NAME=DENSITY, each density from 0 to 1"),
        ("layer_densities", "fc1=1.5", "'fc1=1.5' must be NAME=DENSITY"),
        ("layer_densities", "fc1=nan", "'fc1=nan' must be NAME=DENSITY"),
        ("layer_densities", "fc1=half,fc2=0.5", "'fc1=half' must be"),
        ("layer_densities", "=0.5", "'=0.5' must be"),
        ("layer_densities", 5, "layer_densities = 5: must be NAME=DENSITY with commas between"),
        ("exclude", 5, "exclude = 5: must be names of parameters or modules of the model, with commas between"),
        ("include", [1], r"include = [1]: must be names of parameters"),
    ],
)
def test_a_wrong_list_is_refused_in_words(field: str, value: object, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        RunConfig.create({field: value})
    assert words in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("sparse_init", ["GMP", "resume"])
def test_densities_of_layers_need_a_start_that_takes_them(sparse_init: str) -> None:
    with pytest.raises(ConfigError, match=r"layer_densities = 'fc1=0\.1': must be empty with sparse_init"):
        RunConfig.create(sparse=True, sparse_init=sparse_init, weights="w.pt", layer_densities="fc1=0.1")


def test_named_layers_are_part_of_the_recipe() -> None:
    plain = RunConfig.create(sparse=True)
    recipes = {experiment(plain).recipe}
    for name in LAYERS:
        chosen = plain.with_changes(**{name: "a=0.5" if name == "layer_densities" else "a,b"})
        assert name in differing_settings(chosen)
        recipes.add(experiment(chosen).recipe)
    assert len(recipes) == 4
    assert experiment(plain.with_changes(exclude="b,a")) == experiment(plain.with_changes(exclude="a, b"))


@pytest.mark.parametrize("name", LAYERS)
def test_masks_keep_the_layers_they_were_made_for(name: str) -> None:
    before = RunConfig.create(sparse=True).as_dict()
    changes: dict[str, Any] = {name: "a=0.5" if name == "layer_densities" else "a"}
    after = RunConfig.create(before, **changes).as_dict()
    older = {key: value for key, value in before.items() if key not in LAYERS}
    for theirs in (before, older):
        said = refusal(after, theirs)
        assert said is not None
        assert said.startswith(f"{name} = {after[name]!r}: cannot be changed")
        assert refusal(before, theirs) is None
