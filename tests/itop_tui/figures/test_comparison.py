from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from itop_tui.figures.comparison import (
    RESULTS,
    Stat,
    best,
    differing_settings,
    entries,
    entry_settings,
    join,
    results,
    statistic,
    write_stat,
)
from itop_tui.figures.curves import smoothed
from itop_tui.figures.format import figure, percent, whole
from tests.itop_tui.support import make_run

Curve = tuple[NDArray[np.float64], NDArray[np.float64]]


def curve(*points: tuple[float, float]) -> Curve:
    return np.array([x for x, _ in points]), np.array([y for _, y in points])


# ------------------------------------------------------------------------------------------------------------ entries


def test_runs_of_one_recipe_become_one_entry_in_the_place_of_the_first() -> None:
    runs = [replace(make_run(n), recipe=recipe, name=f"rigl-s{n}-vgg") for n, recipe in enumerate("xyxz", 1)]
    single, grouped = entries(runs), entries(runs, grouped=True)
    assert [(entry.letter, entry.n, entry.key) for entry in single] == [
        ("A", 1, 1),
        ("B", 1, 2),
        ("C", 1, 3),
        ("D", 1, 4),
    ]
    assert [(entry.letter, [run.id for run in entry.runs]) for entry in grouped] == [
        ("A", [1, 3]),
        ("B", [2]),
        ("C", [4]),
    ]
    assert [entry.label for entry in grouped] == ["rigl-*-vgg", "rigl-s2-vgg", "rigl-s4-vgg"]


def test_a_run_without_a_stored_recipe_is_grouped_by_its_settings() -> None:
    one, two, other = make_run(1), make_run(2), make_run(3)
    two = replace(two, config={**two.config, "seed": 99}, seed=99)
    other = replace(other, config={**other.config, "lr": 0.5})
    assert [entry.n for entry in entries([one, two, other], grouped=True)] == [2, 1]


def test_twenty_entries_are_the_most() -> None:
    runs = [make_run(n) for n in range(1, 22)]
    assert entries(runs[:20])[-1].letter == "T"
    with pytest.raises(ValueError, match="21 runs are too many to compare: 20 at most"):
        entries(runs)
    assert entries(runs, grouped=True)[0].n == 21


# ----------------------------------------------------------------------------------------------------------- settings


def test_only_what_differs_is_listed_and_a_group_tells_all_its_values() -> None:
    base = make_run(1)
    runs = [
        replace(base, id=n, recipe=recipe, config={**base.config, "seed": n, "lr": lr})
        for n, recipe, lr in ((1, "x", 0.1), (2, "x", 0.1), (3, "y", 0.2))
    ]
    assert differing_settings(runs) == {"lr": [0.1, 0.1, 0.2], "seed": [1, 2, 3]}
    assert entry_settings(entries(runs, grouped=True)) == {"lr": [(0.1,), (0.2,)], "seed": [(1, 2), (3,)]}


def test_a_setting_that_one_run_does_not_have_differs() -> None:
    base = make_run(1)
    other = replace(base, id=2, config={**base.config, "of_another_version": [1]})
    assert differing_settings([base, other]) == {"of_another_version": [None, [1]]}


# ------------------------------------------------------------------------------------------------------------ results


def test_mean_and_sample_deviation_by_hand() -> None:
    assert statistic([0.90, 0.92, 0.94]) == Stat(pytest.approx(0.92), pytest.approx(0.02), 3)  # type: ignore[arg-type]
    assert statistic([0.5, None]) == Stat(0.5, None, 1)
    assert statistic([None]) == Stat(None, None, 0)
    diverged = statistic([1.0, math.nan])
    assert math.isnan(diverged.mean or 0.0)
    assert diverged.n == 2


def test_results_of_a_group_tell_mean_deviation_and_n() -> None:
    runs = [
        replace(make_run(n), recipe="x", test_accuracy=accuracy) for n, accuracy in ((1, 0.9), (2, 0.94), (3, None))
    ]
    found = results(entries(runs, grouped=True), {1: 10.0, 2: 20.0, 3: None})
    assert list(found) == [result.name for result in RESULTS]
    assert found["test_accuracy"][0] == Stat(pytest.approx(0.92), pytest.approx(0.0282842712), 2)  # type: ignore[arg-type]
    assert found["seconds"][0].mean == 15.0
    assert write_stat(found["test_accuracy"][0], percent) == "92.00% ± 2.83%"
    assert write_stat(Stat(0.88764, 0.005948, 3), figure) == "0.8876 ± 0.0059"
    assert write_stat(Stat(13_309.6, None, 1), whole) == "13,310"


def test_a_dense_run_has_no_explored_share() -> None:
    assert results(entries([make_run(1, preset="digits-dense", itop_rate=1.0)]), {})["itop_rate"][0].mean is None


@pytest.mark.parametrize(
    ("means", "direction", "marked"),
    [
        ([0.9, 0.92, 0.92], 1, {1, 2}),
        ([2.0, 0.5, None], -1, {1}),
        ([math.nan, 0.5, 0.7], -1, {1}),
        ([0.5, None], 1, set()),
        ([0.5, 0.6], 0, set()),
    ],
)
def test_the_best_is_marked_where_there_is_a_choice(
    means: list[float | None], direction: int, marked: set[int]
) -> None:
    assert best([Stat(mean, None, 1) for mean in means], direction) == marked


# ------------------------------------------------------------------------------------------------------------- joining


def test_seeds_on_unequal_steps_by_hand() -> None:
    joined = join([curve((0, 0.0), (10, 10.0)), curve((5, 7.0), (10, 6.0), (20, 4.0))])
    assert joined.steps.tolist() == [0, 5, 10, 20]
    # At 5 the first seed lies half way: 5. At 20 it has ended, and at 0 the second has not begun.
    assert joined.mean.tolist() == [0.0, 6.0, 8.0, 4.0]
    assert joined.n.tolist() == [1, 2, 2, 1]
    assert joined.std.tolist()[1:3] == pytest.approx([math.sqrt(2), math.sqrt(8)])
    assert np.isnan(joined.std[[0, 3]]).all()


def test_a_seed_that_diverged_does_not_count_there_and_the_count_says_so() -> None:
    joined = join([curve((1, 1.0), (2, math.nan), (3, 1.0)), curve((1, 3.0), (2, 3.0), (3, 3.0))])
    assert joined.mean.tolist() == [2.0, 3.0, 2.0]
    assert joined.n.tolist() == [2, 1, 2]


def test_joining_nothing_gives_nothing() -> None:
    assert len(join([]).steps) == len(join([curve()]).steps) == 0


figures = st.floats(-1e6, 1e6)


@st.composite
def curves(draw: st.DrawFn) -> list[Curve]:
    made = []
    for _ in range(draw(st.integers(1, 5))):
        steps = sorted(draw(st.sets(st.integers(0, 50), min_size=1, max_size=12)))
        values = draw(st.lists(figures, min_size=len(steps), max_size=len(steps)))
        made.append((np.array(steps, dtype=float), np.array(values)))
    return made


@given(curves())
def test_the_mean_lies_between_the_seeds_and_their_order_does_not_matter(made: list[Curve]) -> None:
    joined, turned = join(made), join(made[::-1])
    low = min(float(values.min()) for _, values in made)
    high = max(float(values.max()) for _, values in made)
    known = joined.n > 0
    slack = 1e-9 * (1 + abs(low) + abs(high))
    assert ((joined.mean[known] >= low - slack) & (joined.mean[known] <= high + slack)).all()
    assert (joined.n <= len(made)).all()
    np.testing.assert_allclose(joined.mean, turned.mean, atol=slack)
    np.testing.assert_allclose(joined.std, turned.std, atol=1e-6 * (1 + abs(low) + abs(high)))
    # A step outside of all curves is in no grid, and every recorded step is in it.
    assert set(joined.steps.tolist()) == {step for steps, _ in made for step in steps.tolist()}


@given(curves(), st.floats(-1e3, 1e3))
def test_the_band_does_not_move_with_a_constant(made: list[Curve], constant: float) -> None:
    joined = join(made)
    shifted = join([(steps, values + constant) for steps, values in made])
    np.testing.assert_allclose(shifted.mean, joined.mean + constant, atol=1e-6)
    np.testing.assert_allclose(shifted.std, joined.std, atol=1e-5)


@given(curves())
def test_the_same_seed_twice_is_itself_with_no_spread(made: list[Curve]) -> None:
    steps, values = made[0]
    joined = join([(steps, values), (steps, values)])
    np.testing.assert_allclose(joined.mean, values)
    np.testing.assert_allclose(joined.std, 0, atol=1e-9)
    assert (joined.n == 2).all()


# ------------------------------------------------------------------------------------------------------------ smoothing


def test_smoothing_of_every_step_is_the_corrected_average() -> None:
    steps, values = np.arange(1.0, 5), np.array([1.0, 2.0, 3.0, 4.0])
    total = norm = 0.0
    expected = []
    for value in values:
        total, norm = 0.9 * total + 0.1 * value, 0.9 * norm + 0.1
        expected.append(total / norm)
    assert smoothed(steps, values, 0.9).tolist() == pytest.approx(expected)


def test_a_gap_weighs_as_the_steps_in_it() -> None:
    whole_curve = smoothed(np.arange(0.0, 11), np.array([0.0] + [1.0] * 10), 0.8)
    thinned = smoothed(np.array([0.0, 10.0]), np.array([0.0, 1.0]), 0.8)
    assert thinned[-1] == pytest.approx(whole_curve[-1])


def test_smoothing_leaves_out_what_is_not_finite() -> None:
    found = smoothed(np.arange(3.0), np.array([1.0, math.nan, 1.0]), 0.5)
    assert found[0] == found[2] == pytest.approx(1.0)
    assert math.isnan(found[1])
