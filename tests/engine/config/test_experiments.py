"""What makes runs repetitions of one experiment, in this version and in later ones."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic.fields import FieldInfo

from db import declared_settings
from db.query.fields import find_field
from db.runs import runs
from db.session import Database
from engine.config import experiments, field_info, run_config
from engine.config.experiments import as_stored, experiment, experiment_key
from engine.config.field_info import RESUMABLE, in_recipe
from engine.config.run_config import RunConfig
from engine.config.setting import Section, setting
from itop_tui.service import sweeps

RIGL = {"sparse": True, "growth": "gradient", "density": 0.05, "seed": 3}


class Later(RunConfig):
    """The settings of a later version: one more, declared in one place."""

    sharpness: float = setting(0.25, Section.OPTIMISATION, "How sharp it is. It has no unit.", unit="share", ge=0)


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> type[Later]:
    """The later version takes this one's place wherever settings are read."""
    for module in (experiments, field_info, run_config, sweeps):
        monkeypatch.setattr(module, "RunConfig", Later)
    declared_settings.declared.cache_clear()
    return Later


@pytest.fixture(autouse=True)
def as_declared() -> Any:
    yield
    declared_settings.declared.cache_clear()


def test_seeds_and_what_changes_no_result_are_of_one_recipe() -> None:
    first = experiment(RunConfig.create(RIGL))
    assert first.method == "RigL-ITOP"
    assert len(first.recipe) == 16
    defaults = RunConfig.defaults()
    changed: dict[str, Any] = {"seed": 9, "device": "cpu", "data_dir": "/x", "save": "w.pt", "time_limit": 60.0}
    changed |= {"stop_on_nonfinite": False, "reduce_active": True, "devices": "2", "execution": "sparse"}
    for name in RunConfig.model_fields:
        if not in_recipe(name):
            value = changed.get(name, 7)
            assert value != defaults[name]
            assert experiment(RunConfig.create(RIGL, **{name: value})) == first, name
    for name, other in (("density", 0.1), ("lr", 0.2), ("epochs", 3), ("nesterov", False), ("max_steps", 5)):
        assert experiment(RunConfig.create(RIGL, **{name: other})).recipe != first.recipe


def test_a_new_setting_changes_no_recipe_and_no_group(later: type[Later]) -> None:
    before, after = RunConfig.create(RIGL), later(**RIGL)
    assert "sharpness" in after.as_dict()
    assert experiment(after) == experiment(before)
    assert experiment_key(after) == experiment_key(before)
    changed = later(**RIGL, sharpness=0.5)
    assert experiment(changed).recipe != experiment(before).recipe
    assert experiment_key(changed) != experiment_key(before)


def test_a_sweep_queued_before_a_new_setting_is_found_after_it(db: Database, later: type[Later]) -> None:
    lists = {**RIGL, "density": "0.05,0.1"}
    before = sweeps.expand(lists, RunConfig.create)
    after = sweeps.expand(lists, lambda settings: later(**settings))
    name = sweeps.group_name(before)
    assert sweeps.group_name(after) == name
    runs.create(db, **as_stored(before.configs[0]), group=name)
    assert [config.density for config in sweeps.missing(db, name, after.configs)] == [0.1]


def test_a_new_setting_is_one_declaration(later: type[Later]) -> None:
    """Queries, columns, recipe and help know it; nothing else has to be written."""
    field = find_field("sharpness")
    assert field is not None
    assert (field.kind, field.unit, field.help) == ("number", "share", "How sharp it is")
    assert in_recipe("sharpness")
    assert field_info.field_help("sharpness") == "How sharp it is. It has no unit."


def test_a_sweep_queued_by_any_earlier_version_keeps_its_name() -> None:
    """Then the key was made of all settings; they still count, so that the digest is the same."""
    first = RunConfig.create(RIGL)
    then = {name: value for name, value in first.as_dict().items() if name in experiments._FIRST}
    assert RunConfig.model_fields.keys() >= experiments._FIRST
    assert experiment_key(first) == json.dumps(then, sort_keys=True)
    assert sweeps.group_name(sweeps.expand({"density": "0.05,0.1", "sparse": True})) == "sweep-density-10b442"


def test_every_setting_declares_what_is_asked_of_it() -> None:
    declared = declared_settings.declared()
    assert list(declared) == list(RunConfig.model_fields)
    for name, info in RunConfig.model_fields.items():
        assert isinstance(info, FieldInfo)
        assert declared[name].help, name
        assert len(declared[name].help) < 90, name
    assert "epochs" in RESUMABLE
    assert "lr" not in RESUMABLE
