from __future__ import annotations

import math
import statistics
from typing import Any

import pytest
import sqlalchemy as sa

from db.errors import StoreError
from db.finding import grouping
from db.finding.grouping import RunGroup
from db.models import RUN_METRICS, RunRow
from db.query import QueryError
from db.records import RunQuery, RunRecord, RunStatus
from db.runs import runs, shelf
from db.session import Database
from tests.db.helpers import CONFIG, new_run


def recorded(db: Database, changes: dict[str, Any] | None = None, **values: Any) -> RunRecord:
    """A run with these settings and these figures."""
    run = new_run(
        db, config=CONFIG | (changes or {}), **{name: values.pop(name) for name in ("tags",) if name in values}
    )
    with db.write() as session:
        names = dict.fromkeys(RUN_METRICS.names) | values
        session.execute(sa.update(RunRow).where(RunRow.id == run.id).values(RUN_METRICS.encode(names)))
    return runs.get(db, run.id)


def by_key(found: list[RunGroup]) -> dict[str, RunGroup]:
    assert len({group.key for group in found}) == len(found)
    return {group.key: group for group in found}


def test_seeds_of_one_recipe_worked_by_hand(db: Database) -> None:
    accuracies = (0.90, 0.92, 0.97)
    members = [
        recorded(db, {"seed": seed}, best_val_accuracy=value, loss=0.5, status=RunStatus.COMPLETED)
        for seed, value in enumerate(accuracies)
    ]
    other = recorded(db, {"density": 0.2}, best_val_accuracy=0.8)
    alone, group = grouping.groups(db)
    assert (group.n, group.run_ids) == (3, tuple(run.id for run in members))
    assert group.key == members[0].recipe
    assert group.label == "RigL-ITOP 0.05 vgg-c cifar10"
    # Mean 2.79 / 3; deviations -0.03, -0.01 and 0.04; (9 + 1 + 16)·1e-4 / 2 = 13e-4.
    assert group.mean["best_val_accuracy"] == pytest.approx(0.93)
    assert group.std["best_val_accuracy"] == pytest.approx(math.sqrt(13e-4))
    assert (group.minimum["best_val_accuracy"], group.maximum["best_val_accuracy"]) == (0.90, 0.97)
    assert (group.mean["loss"], group.std["loss"]) == (0.5, 0.0)
    assert (group.mean["test_accuracy"], group.std["test_accuracy"], group.count["test_accuracy"]) == (None, None, 0)
    assert group.statuses == {RunStatus.COMPLETED: 3}
    assert group.shared == {
        "method": "RigL-ITOP", "model": "vgg-c", "data": "cifar10", "target_density": 0.05, "total_epochs": 10
    }  # fmt: skip
    assert alone.run_ids == (other.id,)
    assert alone.std["best_val_accuracy"] is None
    assert alone.shared["seed"] == 18
    assert alone.latest == other.created_at


def test_figures_that_diverged_are_told_and_not_averaged(db: Database) -> None:
    for seed, loss in enumerate((0.25, 0.75, math.nan, math.inf, None)):
        recorded(db, {"seed": seed}, loss=loss)
    (group,) = grouping.groups(db, figures=("loss", "best_val_accuracy"))
    assert (group.n, group.count["loss"], group.diverged["loss"]) == (5, 2, 2)
    assert (group.mean["loss"], group.minimum["loss"], group.maximum["loss"]) == (0.5, 0.25, 0.75)
    assert group.diverged["best_val_accuracy"] == 0


def test_figures_by_any_name_and_of_any_kind(db: Database) -> None:
    for seed in (2, 4):
        recorded(db, {"seed": seed, "lr": 0.1}, flops_ratio=0.5, accuracy=0.1, best_val_accuracy=0.9)
    (group,) = grouping.groups(db, figures=("seed", "lr", "acc", "accuracy", "train", "flops_share", "duration"))
    assert group.mean == pytest.approx(
        {"seed": 3, "lr": 0.1, "acc": 0.9, "accuracy": 0.9, "train": 0.1, "flops_share": 0.5, "duration": None}
    )
    assert group.std["seed"] == pytest.approx(math.sqrt(2))


@pytest.mark.parametrize(
    ("by", "sizes"),
    [
        ("growth", {"gradient": 2, "random": 1}),
        ("seed", {"1": 2, "2": 1}),
        ("density", {"0.05": 3}),
        ("nesterov", {"true": 1, "": 2}),
        ("config.own", {"a": 1, "3": 1, "": 1}),
        ("tag", {"paper": 2, "old": 1, "": 1}),
        ("state", {"queued": 3}),
        ("group", {"": 3}),
        ("sparsity", {"0.95": 3}),
    ],
)
def test_by_any_field(db: Database, by: str, sizes: dict[str, int]) -> None:
    recorded(db, {"seed": 1, "nesterov": True, "own": "a"}, tags=("paper", "old"))
    recorded(db, {"seed": 1, "growth": "random", "own": 3}, tags=("paper",))
    recorded(db, {"seed": 2})
    found = by_key(grouping.groups(db, by=by))
    assert {key: group.n for key, group in found.items()} == sizes
    assert all(group.label for group in found.values())


def test_the_query_chooses_the_members(db: Database) -> None:
    kept, archived, trashed = (recorded(db, {"seed": seed}) for seed in (1, 2, 3))
    shelf.archive(db, [archived.id])
    shelf.trash(db, [trashed.id])
    assert [group.run_ids for group in grouping.groups(db)] == [(kept.id,)]
    assert [group.n for group in grouping.groups(db, RunQuery(archived=None))] == [2]
    assert grouping.groups(db, RunQuery(text="seed:9")) == []
    assert [group.n for group in grouping.groups(db, RunQuery(archived=None, limit=1, offset=1))] == [2]


def test_groups_are_sorted_with_what_lacks_the_figure_last(db: Database) -> None:
    for density, value in ((0.1, 0.5), (0.2, None), (0.3, 0.9), (0.4, 0.7)):
        recorded(db, {"density": density}, best_val_accuracy=value)

    def order(sort: str, **more: Any) -> list[float]:
        return [group.shared["target_density"] for group in grouping.groups(db, sort=sort, **more)]

    assert order("best_val_accuracy") == [0.3, 0.4, 0.1, 0.2]
    assert order("best_val_accuracy", descending=False) == [0.1, 0.4, 0.3, 0.2]
    assert order("latest") == order("id") == [0.4, 0.3, 0.2, 0.1]
    assert order("target_density", limit=2) == [0.4, 0.3]
    assert order("label", descending=False) == order("name", descending=False) == [0.1, 0.2, 0.3, 0.4]


def test_what_cannot_be_grouped_sorted_or_averaged_is_refused(db: Database) -> None:
    with pytest.raises(StoreError, match=r"no field 'modle' to group by\. Did you mean 'model'"):
        grouping.groups(db, by="modle")
    for by in ("created", "is"):
        with pytest.raises(StoreError, match="cannot be grouped by"):
            grouping.groups(db, by=by)
    with pytest.raises(StoreError, match="'name' is not a metric"):
        grouping.groups(db, figures=("name",))
    with pytest.raises(StoreError, match="cannot be sorted by 'nme'"):
        grouping.groups(db, sort="nme")
    with pytest.raises(QueryError):
        grouping.groups(db, RunQuery(text="(("))


def test_many_runs_agree_with_the_statistics_of_python(db: Database) -> None:
    values = [math.sin(number) for number in range(60)]
    for number, value in enumerate(values):
        recorded(db, {"seed": number % 3}, loss=1e9 + value)
    for key, group in by_key(grouping.groups(db, by="seed", figures=("loss",))).items():
        mine = [1e9 + value for number, value in enumerate(values) if str(number % 3) == key]
        assert group.mean["loss"] == pytest.approx(statistics.fmean(mine), rel=1e-15)
        assert group.std["loss"] == pytest.approx(statistics.stdev(mine), rel=1e-6)


def test_figures_that_are_huge_but_finite_are_averaged_all_the_same(db: Database) -> None:
    for seed, loss in enumerate((1.5e308, 1.7e308, 1.6e308)):
        recorded(db, {"seed": seed}, loss=loss)
    (group,) = grouping.groups(db)
    assert group.mean["loss"] == pytest.approx(1.6e308)
    assert group.std["loss"] == pytest.approx(1e307)
    assert group.minimum["loss"] == 1.5e308
