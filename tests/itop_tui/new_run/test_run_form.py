from __future__ import annotations

import shlex

import pytest

from engine.config.field_info import FIELD_SECTIONS
from engine.config.presets import PRESETS
from engine.config.run_config import ConfigError, RunConfig
from itop_tui.new_run.run_form import FIELDS, RunForm
from itop_tui.service import sweeps


def form(preset: str = "digits-rigl") -> RunForm:
    return RunForm(PRESETS[preset].config().as_dict())


def config_of(form: RunForm) -> RunConfig:
    """The configuration of a form in which nothing is wrong."""
    assert form.config is not None, form.problems
    return form.config


def group_of(form: RunForm) -> str:
    """The group that its runs would be queued in; empty for a single run."""
    grid = form.whole_grid()()
    return (form.name or sweeps.group_name(grid)) if grid.axes else ""


def problems_of(form: RunForm) -> set[str]:
    return set(form.problems)


def test_every_setting_has_a_field_with_help_and_limits() -> None:
    assert list(FIELDS) == [name for names in FIELD_SECTIONS.values() for name in names]
    assert set(FIELDS) == set(RunConfig.model_fields)
    for spec in FIELDS.values():
        assert spec.help
        assert spec.allowed


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_starts_valid_and_unchanged(preset: str) -> None:
    started = form(preset)
    assert started.problems == {}
    assert started.changes == ()
    assert started.config == PRESETS[preset].config()


def test_what_is_typed_is_validated_at_once() -> None:
    typed = form()
    typed.set("density", "2")
    assert problems_of(typed)
    assert "at most 1" in typed.problems["density"]
    assert typed.summary() == f"density: {typed.problems['density']}"
    typed.set("lr", "fast")
    assert problems_of(typed) == {"density", "lr"}
    assert (typed.summary() or "").startswith("density and 1 more") or (typed.summary() or "").startswith("lr and 1")
    typed.set("density", "0.1")
    typed.set("lr", "0.1")
    assert config_of(typed).density == 0.1


def test_an_empty_text_is_none_where_that_is_allowed_and_wrong_where_it_is_not() -> None:
    typed = form()
    typed.set("max_steps", "50")
    assert config_of(typed).max_steps == 50
    typed.set("max_steps", "")
    assert config_of(typed).max_steps is None
    typed.set("epochs", "")
    assert "epochs" in typed.problems


def test_changes_are_counted_against_the_start_and_by_value() -> None:
    typed = form()
    typed.set("density", "0.050")
    assert not typed.changes
    typed.set("density", "0.06")
    typed.set("sparse", False)
    assert list(typed.changes) == ["sparse", "density"]
    assert typed.start["sparse"] is True
    typed.set("density", typed.start["density"])
    assert list(typed.changes) == ["sparse"]


def test_fields_without_effect_say_why_unless_they_are_wrong() -> None:
    typed = form("digits-dense")
    assert typed.without_effect("density") == "only for sparse runs"
    typed.set("density", "7")
    assert typed.without_effect("density") is None
    locked = RunForm(PRESETS["dense"].config().as_dict(), {"model": "as in the checkpoint"})
    assert locked.without_effect("model") == "as in the checkpoint"


def test_a_model_that_does_not_fit_the_data_is_told_at_the_model() -> None:
    typed = form()
    typed.set("model", "vgg-like")
    assert "32×32" in typed.problems["model"]


def test_tags_are_words_each_once() -> None:
    typed = form()
    typed.set("tags", " paper, #try paper # ")
    typed.set("name", "  my run ")
    assert typed.tags == ("paper", "try")
    assert typed.name == "my run"
    assert not typed.changes


def test_the_command_line_gives_the_same_configuration_back() -> None:
    typed = form()
    typed.set("nesterov", False)
    typed.set("clip_norm", "1.5")
    typed.set("name", "it's mine")
    typed.set("tags", "a b")
    command = typed.command_line()
    assert command is not None
    words = shlex.split(command)
    assert words[:2] == ["itop", "train"]
    assert "--no-nesterov" in words
    assert words[words.index("--name") + 1] == "it's mine"
    assert words.count("--tag") == 2
    settings: dict[str, object] = {}
    rest = words[2 : words.index("--name")]
    while rest:
        flag = rest.pop(0).removeprefix("--")
        if rest and not rest[0].startswith("--"):
            settings[flag.replace("-", "_")] = rest.pop(0)
        else:
            settings[flag.removeprefix("no-").replace("-", "_")] = not flag.startswith("no-")
    assert RunConfig.create(settings) == typed.config
    typed.set("lr", "-1")
    assert typed.command_line() is None


def test_a_start_from_another_version_loses_nothing_that_is_known() -> None:
    old = RunForm({"model": "vgg-c", "data": "cifar10", "no_longer": 3})
    assert old.problems == {}
    assert old.entries["model"] == "vgg-c"
    assert old.entries["lr"] == "0.1"


def test_a_time_limit_is_typed_shown_and_launched_as_people_write_it() -> None:
    typed = RunForm({"time_limit": 43_200.0})
    assert typed.entries["time_limit"] == "12h"
    typed.set("time_limit", "90 m")
    assert typed.config is not None
    assert typed.config.time_limit == 5400.0
    assert typed.command_line() == "itop train --time-limit 1h30m"
    typed.set("time_limit", "late")
    assert typed.problems["time_limit"].startswith("must be a length of time above 0, such as 90m, 12h")
    typed.set("time_limit", "")
    assert typed.problems == {}
    assert FIELDS["time_limit"].allowed.endswith("or empty")


def test_lists_make_a_grid_and_each_combination_is_checked() -> None:
    typed = form()
    assert typed.size() == ""
    assert not typed.listed
    assert group_of(typed) == ""
    typed.set("density", "0.05, 0.1")
    typed.set("seed", "1..3")
    assert typed.size() == "6 runs: 2 densities × 3 seeds"
    assert typed.listed == {"density", "seed"}
    assert (config_of(typed).density, config_of(typed).seed) == (0.05, 1)
    assert group_of(typed).startswith("sweep-density-seed-")
    typed.set("name", "paper")
    assert group_of(typed) == "paper"
    typed.set("density", "0.05,2")
    assert typed.problems == {"density": "2: must be a number above 0 and at most 1"}
    assert (typed.grid, typed.config, typed.command_line()) == (None, None, None)
    typed.set("density", "0.05")
    typed.set("seed", "3..1")
    assert "a range goes upwards" in typed.problems["seed"]
    typed.set("seed", "1..99999")
    assert "99,999 runs" in typed.problems["seed"]
    typed.set("seed", "4")
    assert typed.problems == {}
    assert not typed.listed


def test_a_field_counts_where_any_run_of_the_sweep_uses_it() -> None:
    typed = form("digits-dense")
    typed.set("optimizer", "adam,sgd")
    assert typed.without_effect("momentum") is None
    typed.set("optimizer", "adam,adamw")
    assert typed.without_effect("momentum") == "adam has no such momentum"


def test_the_command_of_a_sweep_makes_the_same_group() -> None:
    from itop_tui.cli.commands.sweep import grid
    from itop_tui.cli.flags import collect

    typed = form("digits-set")
    typed.set("growth", "random,gradient")
    typed.set("density", "0.05, 0.1")
    typed.set("seed", "1..3")
    typed.set("nesterov", False)
    typed.set("tags", "paper")
    command = typed.command_line()
    assert command is not None
    words = shlex.split(command)
    assert words[:2] == ["itop", "sweep"]
    assert words[-2:] == ["--tag", "paper"]
    given: dict[str, object] = {}
    rest = words[2:-2]
    while rest:
        flag = rest.pop(0).removeprefix("--")
        if rest and not rest[0].startswith("--"):
            given[flag.replace("-", "_")] = rest.pop(0)
        else:
            given[flag.removeprefix("no-").replace("-", "_")] = not flag.startswith("no-")
    made = grid(collect(given), preset=None)
    assert typed.grid is not None
    assert made.configs == typed.grid.configs
    assert sweeps.group_name(made) == group_of(typed)


def test_a_large_grid_is_a_sample_until_it_is_launched() -> None:
    typed = form("digits-set")
    typed.set("seed", "1..1200")
    assert typed.grid is not None
    assert typed.size() == "1,200 runs: 1,200 seeds"
    assert len(typed.grid.configs) == sweeps.SAMPLED
    whole = typed.whole_grid()()
    assert [config.seed for config in whole.configs] == list(range(1, 1201))
    assert whole.configs[0] == config_of(typed)


def test_what_does_not_go_together_in_one_run_of_many_is_said_of_its_field() -> None:
    typed = form("digits-set")
    typed.set("epochs", "30..600,3")
    typed.set("warmup_epochs", "0,3")
    assert typed.problems == {}  # only one of 1,144 points is wrong
    with pytest.raises(ConfigError) as caught:
        typed.whole_grid()()
    typed.show_wrong_points(caught.value)
    assert typed.problems == {"warmup_epochs": "3: must be fewer than the 3 epochs of the whole run"}
    typed.set("warmup_epochs", "0,1")
    assert typed.problems == {}
    assert len(typed.whole_grid()().configs) == 1144


def test_a_fork_is_one_run() -> None:
    typed = RunForm(PRESETS["digits-set"].config().as_dict(), lists=False)
    typed.set("seed", "1,2")
    assert typed.problems["seed"].startswith("must be a whole number")
    assert not typed.listed


def test_how_a_list_is_made_is_said_of_each_field_that_takes_one() -> None:
    assert FIELDS["seed"].listed == "a list, as in 1,2,5 or 1..5."
    assert FIELDS["lr"].listed == "a list, with commas between."
    assert FIELDS["growth"].listed == "a comma adds another choice."
    assert FIELDS["sparse"].listed == FIELDS["save"].listed == ""


def test_the_command_line_names_the_runs_it_starts_after() -> None:
    typed = form("digits-set")
    typed.set("after", "12, 14")
    typed.set("after_ok", " 3..7 ")
    assert typed.after == {"after": "12, 14", "after_ok": "3..7"}
    assert "--after 12,14 --after-ok 3..7" in str(typed.command_line())
    assert typed.changes == ()
    typed.show_wrong_runs({"after_ok": "there is no run from 3 to 7"})
    assert typed.summary() == "after ok: there is no run from 3 to 7"
    typed.set("lr", "fast")
    assert set(typed.problems) == {"after_ok", "lr"}
    typed.set("lr", "0.1")
    assert set(typed.problems) == {"after_ok"}
    typed.set("after_ok", "3")
    assert typed.problems == {}
