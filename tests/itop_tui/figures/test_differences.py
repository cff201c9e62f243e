"""What runs and groups are called among others, worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from db.records import RunRecord
from engine.config.experiments import experiment
from engine.config.run_config import RunConfig
from itop_tui.figures.differences import Called, called, common_name, given_name, namesakes
from itop_tui.service.sweeps import run_names
from tests.itop_tui.support import make_run


def run(number: int, name: str = "", **changes: Any) -> RunRecord:
    """A run with some settings; called as itop calls it where it has no name."""
    config = RunConfig.create(
        {"data": "digits", "sparse": True, "density": 0.05, "growth": "gradient", "seed": 1, **changes}
    )
    known = experiment(config)
    density = f"d{config.density:g}-" if config.sparse else ""
    named = f"{config.method.lower()}-{density}s{config.seed}-{config.model}-{config.data}"
    return replace(
        make_run(number), config=config.as_dict(), name=name or named, method=config.method, recipe=known.recipe,
        seed=config.seed, model=config.model, data=config.data,
    )  # fmt: skip


def labels(*shown: RunRecord) -> list[str]:
    return [one.label for one in called([[each] for each in shown])]


def test_runs_are_called_by_the_settings_that_differ() -> None:
    assert labels(run(1, lr=0.01, epochs=600), run(2, lr=0.1, epochs=600), run(3, lr=0.1, epochs=300)) == [
        "lr=0.01 epochs=600", "lr=0.1 epochs=600", "lr=0.1 epochs=300",
    ]  # fmt: skip


def test_runs_that_differ_by_nothing_but_the_seed_are_called_by_it() -> None:
    assert labels(run(1), run(2, seed=2)) == ["seed 1", "seed 2"]


def test_the_seed_is_said_where_nothing_else_distinguishes_two() -> None:
    assert labels(run(1, lr=0.1), run(2, lr=0.01), run(3, lr=0.01, seed=2)) == [
        "lr=0.1", "lr=0.01 seed 1", "lr=0.01 seed 2",
    ]  # fmt: skip
    assert labels(run(1, lr=0.1), run(2, lr=0.01, seed=2)) == ["lr=0.1", "lr=0.01"]


def test_a_setting_that_changes_no_result_is_said_only_where_nothing_else_differs() -> None:
    assert labels(run(1, lr=0.1, device="cpu"), run(2, lr=0.2, device="cuda")) == ["lr=0.1", "lr=0.2"]
    assert labels(run(1, device="cpu"), run(2, device="cuda")) == ["device=cpu", "device=cuda"]


def test_runs_with_the_same_settings_are_called_by_their_numbers() -> None:
    assert labels(run(4), run(7), run(9, lr=0.5)) == ["lr=0.1 run 4", "lr=0.1 run 7", "lr=0.5"]


def test_a_method_stands_for_the_settings_that_make_it_and_a_dense_run_has_no_density() -> None:
    dense, rigl, sparser = run(1, sparse=False), run(2), run(3, density=0.01)
    assert labels(dense, rigl, sparser) == ["dense", "RigL-ITOP density=0.05", "RigL-ITOP density=0.01"]
    assert labels(run(1, growth="random"), run(2, death="SET", growth="random")) == ["death=magnitude", "death=SET"]


def test_the_most_telling_setting_comes_first_and_what_only_follows_it_comes_last() -> None:
    # lr and batch_size distinguish 5 of the 6 pairs each, and together all; momentum only follows lr.
    runs = [
        run(1, lr=0.1, batch_size=10, momentum=0.1), run(2, lr=0.2, batch_size=10, momentum=0.2),
        run(3, lr=0.3, batch_size=20, momentum=0.3), run(4, lr=0.3, batch_size=30, momentum=0.3),
    ]  # fmt: skip
    assert labels(*runs)[2] == "lr=0.3 batch_size=20 momentum=0.3"


def test_a_group_is_called_by_what_its_runs_share() -> None:
    groups = [[run(1), run(2, seed=2)], [run(3, lr=0.5), run(4, seed=2, lr=0.5)]]
    assert [one.label for one in called(groups)] == ["lr=0.1", "lr=0.5"]
    assert called(groups[:1]) == [Called()]


def test_a_name_that_a_person_gave_stays_and_the_difference_stands_beside_it() -> None:
    one, two = called([[run(1, "baseline")], [run(2, "mine", lr=0.5)]])
    assert (one.label, one.parts) == ("baseline", ("lr=0.1",))
    assert (two.fitted(20), two.fitted(8)) == (("mine", "lr=0.5"), ("mine", ""))


def test_a_name_that_all_have_distinguishes_nothing_and_one_that_some_have_does_not_suffice() -> None:
    assert labels(run(1, "paper"), run(2, "paper", lr=0.5)) == ["lr=0.1", "lr=0.5"]
    some = called([[run(1, "paper")], [run(2, "paper", lr=0.5)], [run(3, "old", lr=0.2)]])
    assert [one.label for one in some] == ["paper lr=0.1", "paper lr=0.5", "old"]
    assert some[1].fitted(9) == ("", "lr=0.5")
    assert some[1].fitted(12) == ("paper", "lr=0.5")


def test_the_values_that_a_sweep_put_behind_a_name_are_no_part_of_it() -> None:
    configs = [RunConfig.create({"lr": lr, "nesterov": on}) for lr, on in ((0.1, True), (0.2, False))]
    names = run_names("paper", configs, ("lr", "nesterov"))
    assert names[1] == "paper-lr0.2-nesterovoff"
    made = [run(at, name, **config.as_dict()) for at, (name, config) in enumerate(zip(names, configs, strict=True))]
    assert [given_name(each) for each in made] == ["paper", "paper"]
    assert labels(*made) == ["lr=0.1 nesterov=on", "lr=0.2 nesterov=off"]


def test_least_telling_settings_are_left_out_first_and_counted() -> None:
    one = Called("", ("lr=0.01", "epochs=600", "momentum=0.9", "l2=0.001"))
    assert one.fitted(60) == ("", "lr=0.01 epochs=600 momentum=0.9 l2=0.001")
    assert one.fitted(35) == ("", "lr=0.01 epochs=600 momentum=0.9 +1")
    assert one.fitted(33) == ("", "lr=0.01 epochs=600 +2")
    assert one.fitted(11) == ("", "lr=0.01 +3")


def test_what_distinguishes_one_best_is_left_out_last() -> None:
    runs = [run(1, lr=0.01, epochs=600), run(2, lr=0.1, epochs=600), run(3, lr=0.1, epochs=300)]
    assert [one.fitted(14)[1] for one in called([[each] for each in runs])] == [
        "lr=0.01 +1",
        "lr=0.1 +1",
        "epochs=300 +1",
    ]


def test_a_value_that_most_have_is_said_only_where_it_distinguishes() -> None:
    runs = [run(n, lr=n / 10) for n in (1, 2, 3)]
    assert labels(*runs, run(4, lr=0.4, momentum=0.5)) == ["lr=0.1", "lr=0.2", "lr=0.3", "lr=0.4 momentum=0.5"]
    assert labels(*runs, run(4, lr=0.1, momentum=0.5))[0] == "lr=0.1 momentum=0.9"


@given(st.text(max_size=20), st.lists(st.text(min_size=1, max_size=12), max_size=5), st.booleans(), st.integers(1, 40))
def test_what_is_fitted_fits(name: str, parts: list[str], unique: bool, width: int) -> None:
    shown, beside = Called(name, tuple(parts), unique).fitted(width)
    assert cell_len(shown) + bool(shown and beside) + cell_len(beside) <= width


def test_names_and_values_are_data() -> None:
    (first, _) = called([[run(1, "\x1b[31mred")], [run(2, "b", weights="/a/\x1b[2Jb.pt")]])
    assert "\x1b" not in "".join(first.fitted(40))
    (_, second) = called([[run(1)], [run(2, weights="/folder/of/\x1b[2Jb.pt")]])
    assert second.label == "weights=␛[2Jb.pt"


def test_settings_of_another_version_and_of_more_digits_distinguish_too() -> None:
    other = replace(run(2), config={**run(2).config, "of_another_version": 3})
    assert labels(run(1), other) == ["", "of_another_version=3"]
    assert labels(run(1, lr=0.123456789), run(2, lr=0.123456)) == ["lr=0.123456789", "lr=0.123456"]


def test_namesakes_in_a_list_are_known_by_what_differs_among_them() -> None:
    known = namesakes([run(1, "a"), run(2, "a", lr=0.5), run(3, "b", lr=0.3), run(4), run(5, l2=0.5)])
    assert {number: one.parts for number, one in known.items()} == {
        1: ("lr=0.1",), 2: ("lr=0.5",), 4: ("l2=0.0005",), 5: ("l2=0.5",),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("names", "common"),
    [
        (["a-1-b", "a-2-b"], "a-*-b"),
        (["same", "same"], "same"),
        (["set d0.1 s1", "set d0.1 s20"], "set d0.1 *"),
        (["alpha", "beta"], "alpha (+1)"),
        (["a b", "a b c", "d"], "a b (+2)"),
    ],
)
def test_the_name_of_a_group_is_what_its_runs_have_in_common(names: list[str], common: str) -> None:
    assert common_name(names) == common
