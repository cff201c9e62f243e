"""`itop runs` with the query language: conditions, groups, views, and mistakes."""

from __future__ import annotations

import pytest

from db.finding import views
from db.finding.views import SavedView
from db.query import fields
from db.session import Database
from tests.itop_tui.cli.conftest import Itop
from tests.itop_tui.cli.recorded import queued, trained


def names(itop: Itop, *line: str) -> list[str]:
    return [run["name"] for run in itop("runs", *line, "--json").json()]


def test_conditions_come_in_one_argument_or_in_several(itop: Itop, database: Database) -> None:
    trained(database, "good")
    queued(database, "late", density=0.2)
    queued(database, "two words")
    assert names(itop, "state:completed", "acc>=91%") == ["good"]
    assert names(itop, "state:completed acc>=92%") == []
    assert names(itop, "density:0.2", "or", "name=good") == ["late", "good"]
    assert names(itop, 'name:"two words"') == ["two words"]
    assert names(itop, "not", "state:completed") == ["two words", "late"]
    assert names(itop, "loss:nan") == ["good"]
    assert names(itop, "--sort", "config.density", "--limit", "1") == ["late"]


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (["densty<0.1"], ["There is no field 'densty'; did you mean density?", "densty<0.1", "^^^^^^"]),
        (["vgg", "(a"], ["This parenthesis is not closed.", "vgg (a", "    ^"]),
        (["density<abc"], ["density<abc: must be a number"]),
        (["--group-by", "modle"], ["There is no field 'modle' to group by. Did you mean 'model'?"]),
        (["--group-by", "model", "--sort", "modle"], ["Runs cannot be sorted by 'modle'. Did you mean 'model'?"]),
        (["--view", "papr"], ["view = 'papr'", "did you mean paper?"]),
    ],
)
def test_a_mistake_is_shown_where_it_is(itop: Itop, database: Database, line: list[str], shown: list[str]) -> None:
    views.save(database, SavedView("paper"))
    outcome = itop("runs", *line)
    assert outcome.code == 2
    assert outcome.out == ""
    for part in shown:
        assert part in outcome.err


def test_groups_have_mean_and_deviation(itop: Itop, database: Database) -> None:
    for seed in (1, 2, 3):
        trained(database, f"seed {seed}", seed=seed)
    queued(database, "other", density=0.5)
    table = itop("runs", "--group-by", "recipe").out
    assert "91.00% ± 0.00" in table
    assert "3 NaN" in table
    assert "3 completed" in table
    other, group = itop("runs", "--group-by", "recipe", "--json").json()
    assert (other["n"], group["n"]) == (1, 3)
    assert group["mean"]["best_val_accuracy"] == pytest.approx(0.91)
    assert group["std"]["best_val_accuracy"] == 0
    assert group["diverged"]["loss"] == 3
    assert group["statuses"] == {"completed": 3}
    assert group["latest"].endswith("Z")
    one = itop("runs", "--group-by", "seed", "--sort", "n", "--limit", "1")
    assert one.out.count("\n") == 2
    assert "1 of 4 groups" in one.err or "1 of 3 groups" in one.err


def test_groups_are_called_by_what_distinguishes_them(itop: Itop, database: Database) -> None:
    for lr, epochs in ((0.01, 600), (0.1, 600), (0.1, 300)):
        queued(database, "paper", lr=lr, epochs=epochs)
    found = itop("runs", "--group-by", "recipe", "--json").json()
    assert [each["name"] for each in found] == ["lr=0.1 epochs=300", "lr=0.1 epochs=600", "lr=0.01 epochs=600"]
    assert {each["label"] for each in found} == {"SET-ITOP 0.1 lenet300-100 digits"}
    table = itop("runs", "--group-by", "recipe")
    assert "lr=0.01 epochs=600" in table.out
    assert "all groups: SET-ITOP lenet300-100 digits" in table.err


def test_a_saved_view_is_a_start(itop: Itop, database: Database) -> None:
    for name in ("b", "a"):
        trained(database, name)
    queued(database, "c")
    views.save(database, SavedView("done", "state:completed or name:zzz", sort="name", descending=False))
    assert names(itop, "--view", "done") == ["a", "b"]
    assert names(itop, "--view", "done", "b") == ["b"]
    assert names(itop, "--view", "done", "--sort", "id", "--limit", "1") == ["b"]


def test_the_fields_are_listed(itop: Itop) -> None:
    listed = itop("runs", "--fields").out
    assert "update_frequency" in listed
    assert "best validation accuracy" in listed
    assert [one["name"] for one in itop("runs", "--fields", "--json").json()] == [field.name for field in fields()]
