"""Settings by section, and what is marked in them."""

from __future__ import annotations

from engine.config.run_config import RunConfig
from itop_tui.run.config_tab import attempt_lines
from itop_tui.run.config_view import Setting, sections, written
from tests.itop_tui.run import made
from tests.itop_tui.run.fabricate import settings
from tests.itop_tui.run.hosting import NOW


def named(groups: list[tuple[str, list[Setting]]]) -> dict[str, Setting]:
    return {row.name: row for _, rows in groups for row in rows}


def test_every_setting_is_shown_once_under_its_section() -> None:
    groups = sections(settings())
    names = [row.name for _, rows in groups for row in rows]
    assert sorted(names) == sorted(RunConfig.model_fields)
    assert [title for title, _ in groups] == ["Model and data", "Sparsity", "Optimisation", "Run"]


def test_changes_from_the_default_and_from_the_parent_are_marked() -> None:
    rows = named(sections(settings(lr=0.5, seed=3), settings(lr=0.2, seed=3)))
    assert (rows["lr"].value, rows["lr"].default, rows["lr"].parent) == ("0.5", "0.1", "0.2")
    assert (rows["seed"].default, rows["seed"].parent) == ("17", None)
    assert (rows["momentum"].default, rows["momentum"].is_change) == (None, False)


def test_only_changes_can_be_shown() -> None:
    rows = named(sections(settings(lr=0.5), settings(), only_changes=True))
    assert set(rows) == {"data", "sparse", "density", "growth", "epochs", "lr"}


def test_settings_are_found_by_name_value_and_help() -> None:
    assert "update_frequency" in named(sections(settings(), needle="UPDATE_FREQ"))
    assert "growth" in named(sections(settings(), needle="gradient"))
    assert named(sections(settings(), needle="no such thing at all")) == {}


def test_a_setting_without_effect_says_why() -> None:
    assert named(sections(settings(sparse=False)))["growth"].moot == "only for sparse runs"


def test_settings_of_another_version_are_shown_too() -> None:
    groups = sections({**settings(), "from_the_future": [1, 2]})
    assert groups[-1][0] == "Of another version"
    assert groups[-1][1][0].value == "[1, 2]"


def test_values_are_written_for_people() -> None:
    assert [written(value) for value in (None, True, False, 0.1, "[b]\x1b")] == ["–", "yes", "no", "0.1", "[b]␛"]


def test_attempts_tell_where_and_how_they_ended() -> None:
    from db.records import RunStatus

    first = made.attempt(
        number=1, status=RunStatus.FAILED, ended_at=NOW - 700, reason="ValueError: [x]\x1b", traceback="line a\nline b"
    )
    second = made.attempt(number=2, start_step=4_000, commit=None, dirty=None)
    said = ["".join(text for text, _ in line) for line in attempt_lines([first, second], NOW)]
    assert said[1].startswith("  2  ● running")
    assert "from step 4,000" in said[1]
    whole = "\n".join(said)
    for part in ("✗ failed", "cuda:0", "pid 4242", "atlas", "ValueError: [x]␛", "line b", "commit 0123456789ab with",
                 "torch 2.8.0", "$ itop train --model vgg-c"):  # fmt: skip
        assert part in whole
    assert attempt_lines([], NOW)[1][0][0].strip() == "none yet"
