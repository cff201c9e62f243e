from __future__ import annotations

import itertools
import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.config.run_config import ConfigError, RunConfig
from itop_tui.service import sweeps
from itop_tui.service.sweeps import LARGEST, GridTooLargeError, expand, group_name, size_shown, values_of


@pytest.mark.parametrize(
    ("name", "text", "values"),
    [
        ("density", "0.05,0.1", ("0.05", "0.1")),
        ("density", " 0.05 , 0.1, ", ("0.05", "0.1")),
        ("density", "0.05,", ("0.05",)),
        ("density", "0.05", None),
        ("seed", "1,2,3", ("1", "2", "3")),
        ("seed", "1..5", ("1", "2", "3", "4", "5")),
        ("seed", "7 .. 7", ("7",)),
        ("seed", "1..3,9,2..4", ("1", "2", "3", "9", "4")),
        ("growth", "random,gradient", ("random", "gradient")),
        ("model", "my..net:make", None),
        ("model", "lenet5,vgg-c", ("lenet5", "vgg-c")),
        ("time_limit", "12h,1d", ("12h", "1d")),
        ("save", "a,b.pt", None),
        ("weights", "../weights.pt", None),
        ("last_update", "100..102", ("100", "101", "102")),
    ],
)
def test_a_list_is_read_as_it_is_written(name: str, text: str, values: tuple[str, ...] | None) -> None:
    assert values_of(name, text) == values


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("seed", "5..1", "a range goes upwards: 1..5"),
        ("seed", "1..", "must be a range as in 1..5"),
        ("seed", "1...5", "must be a range as in 1..5"),
        ("density", "0.1..0.5", "a range is for whole numbers; write a list, as in 0.05,0.1"),
        ("seed", f"1..{10**20}", "numbers that a setting may have"),
    ],
)
def test_a_range_that_makes_no_sense_says_what_would(name: str, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        expand({name: text})
    assert caught.value.problems[0].field == name
    assert message in caught.value.problems[0].message


@given(
    st.lists(
        st.one_of(
            st.integers(0, 500).map(lambda number: (str(number), [number])),
            st.tuples(st.integers(0, 500), st.integers(0, 20)).map(
                lambda pair: (f"{pair[0]}..{sum(pair)}", list(range(pair[0], sum(pair) + 1)))
            ),
        ),
        min_size=1,
        max_size=8,
    ),
    st.sampled_from([",", " , ", ",,", ", "]),
)
def test_lists_and_ranges_of_whole_numbers_are_what_they_say(parts: list[tuple[str, list[int]]], comma: str) -> None:
    text = comma.join(part for part, _ in parts) + ","
    expected = dict.fromkeys(number for _, numbers in parts for number in numbers)
    assert values_of("seed", text) == tuple(map(str, expected))


@given(st.sampled_from(["seed", "density", "growth", "model", "time_limit", "clip_norm"]), st.text(max_size=30))
def test_no_text_breaks_the_reading(name: str, text: str) -> None:
    try:
        values = values_of(name, text)
    except (ConfigError, GridTooLargeError):
        return
    assert values is None or all(value.strip() == value and value for value in values)
    assert values is None or len(set(values)) == len(values)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.floats(0.01, 1, allow_nan=False), min_size=1, max_size=3, unique=True),
    st.lists(st.sampled_from(["random", "gradient", "momentum"]), min_size=1, max_size=3, unique=True),
    st.lists(st.integers(0, 99), min_size=1, max_size=3, unique=True),
)
def test_a_grid_has_each_combination_once_the_last_axis_fastest(
    densities: list[float], growths: list[str], seeds: list[int]
) -> None:
    made = expand(
        {"data": "digits", "sparse": True, "seed": ",".join(map(str, seeds)) + ",",
         "growth": ",".join(growths) + ",", "density": ",".join(map(repr, densities)) + ","}
    )  # fmt: skip
    assert list(made.axes) == ["density", "growth", "seed"]
    found = [(one.density, one.growth, one.seed) for one in made.configs]
    assert found == [(d, g, s) for d in densities for g in growths for s in seeds]


def test_settings_without_a_list_are_one_run() -> None:
    made = expand({"data": "digits"})
    assert made.axes == {}
    assert made.configs == (RunConfig.create(data="digits"),)
    assert size_shown(made) == "1 run"


def test_the_size_is_said_in_words() -> None:
    made = expand({"sparse": True, "density": "0.05,0.1", "growth": "random,gradient", "seed": "1..3"})
    assert size_shown(made) == "12 runs: 2 densities × 2 growths × 3 seeds"
    assert size_shown(expand({"lr": "0.1,0.10", "batch_size": "50,100"})) == "2 runs: 2 learning rates × 2 batch sizes"
    for name in RunConfig.model_fields:
        assert re.fullmatch(r"1 [\w ]+", sweeps.many_of(name, 1))
        assert sweeps.many_of(name, 2)[2:].endswith("s") or name == "momentum"


def test_every_combination_is_checked_and_each_problem_told_once() -> None:
    with pytest.raises(ConfigError) as caught:
        expand({"sparse": True, "density": "0.1,7", "growth": "gradient,gradiant", "seed": "1..9"})
    assert sorted(problem.field for problem in caught.value.problems) == ["density", "growth"]
    with pytest.raises(ConfigError) as caught:
        expand({"data": "digits", "model": "lenet300-100,vgg-like"})
    assert [problem.field for problem in caught.value.problems] == ["model"]


def test_a_grid_too_large_is_not_built() -> None:
    too_large = (({"seed": "1..1000000000"}, 10**9), ({"seed": "1..1000", "epochs": "1..51"}, 51_000))
    for (given_settings, points), make in itertools.product(too_large, (expand, sweeps.sample)):
        with pytest.raises(GridTooLargeError) as caught:
            make(given_settings)
        assert caught.value.points == points > LARGEST
    assert math.isclose(len(expand({"seed": "1..100"}).configs), 100)


def test_a_sample_has_the_first_point_and_points_of_the_grid_and_checks_each_axis() -> None:
    wanted = {"data": "digits", "seed": "7..300", "lr": "0.1,0.2", "growth": "random,gradient", "sparse": "true"}
    made, whole = sweeps.sample(wanted), expand(wanted)
    assert (made.runs, made.axes, len(made.configs)) == (whole.runs, whole.axes, sweeps.SAMPLED)
    assert made.configs[0] == whole.configs[0]
    places = [whole.configs.index(config) for config in made.configs]
    assert places == sorted(set(places))
    assert sweeps.sample(wanted) == made
    few = {"data": "digits", "seed": "1..3"}
    assert sweeps.sample(few) == expand(few)
    for last in ({"epochs": "1..300,0"}, {"seed": "1..300", "density": "0.1,0.2,7"}):
        with pytest.raises(ConfigError) as caught:
            sweeps.sample({"data": "digits", "sparse": "true", **last})
        assert [problem.field for problem in caught.value.problems] == [list(last)[-1]]


def test_the_same_grid_written_otherwise_is_the_same_group() -> None:
    one = expand({"seed": "1..3", "lr": "0.1,0.2"})
    other = expand({"lr": "0.10,0.2,", "seed": "1,2,3"})
    assert group_name(one) == group_name(other)
    assert group_name(one).startswith("sweep-lr-seed-")
    assert group_name(one) != group_name(expand({"seed": "1..4", "lr": "0.1,0.2"}))


def test_names_have_the_values_that_tell_the_runs_apart() -> None:
    grid = sweeps.expand({"data": "digits", "sparse": "true", "density": "0.05,0.1", "seed": "1..2"})
    axes = sweeps.differing(grid.configs, grid.axes)
    assert sweeps.run_names("paper", grid.configs, axes) == [
        "paper-density0.05-seed1",
        "paper-density0.05-seed2",
        "paper-density0.1-seed1",
        "paper-density0.1-seed2",
    ]
    assert sweeps.run_names("d{density} {model}", grid.configs, axes)[-1] == "d0.1 lenet300-100-seed2"
    assert sweeps.run_names("{seed}/{density}", grid.configs, axes)[0] == "1/0.05"
    repeated = sweeps.expand({"data": "digits"}, repetitions=2)
    named = sweeps.run_names("a", repeated.configs, sweeps.differing(repeated.configs, repeated.axes))
    assert named == ["a-seed42", "a-seed43"] or len(set(named)) == 2
    with pytest.raises(ConfigError, match=r"\{densty\} is no setting \(did you mean \{density\}\?\)"):
        sweeps.run_names("a {densty}", grid.configs, axes)
