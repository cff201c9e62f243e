"""Layers that are named on the command line, and what `plan` and `show` say of those that stay dense."""

from __future__ import annotations

import pytest

from db.runs import dense_matrices, runs
from db.session import Database
from itop_tui.service.sweeps import axes_of
from tests.itop_tui.cli.conftest import Itop
from tests.itop_tui.cli.recorded import LAYERS, trained

READER = ("--model", "tests.engine.training.models:reader", "--data", "digits", "--sparse", "--density", "0.1")
DENSE = [
    {"name": "words[red].weight", "shape": [100, 100], "weights": 10_000, "why": "embedding"},
    {"name": "places", "shape": [10, 100], "weights": 1_000, "why": "of Net"},
]
COVERAGE = {"matrix_weights": 33_200, "dense_weights": 11_000, "dense_share": 11 / 33.2, "density": 0, "dense": DENSE}


def test_a_plan_says_what_stays_dense_beside_the_layers(itop: Itop) -> None:
    document = itop("plan", *READER, "--exclude", "recurrent", "--json").json()
    coverage = document["coverage"]
    assert [one["name"] for one in coverage["dense"]] == [
        "places",
        "recurrent.weight_ih_l0",
        "recurrent.weight_hh_l0",
        "head.parametrizations.weight.original0",
    ]
    whole = document["maskable"] + coverage["dense_weights"]
    assert coverage["matrix_weights"] == whole
    assert coverage["density"] == (document["nonzeros"] + coverage["dense_weights"]) / whole
    text = itop("plan", *READER, "--exclude", "recurrent").out
    assert "left dense      53.38% of all matrix weights: recurrent.weight_ih_l0 (excluded)" in text
    assert "all matrix weights" in text


def test_a_plan_of_a_network_that_is_masked_whole_names_nothing(itop: Itop) -> None:
    assert "left dense" not in itop("plan", "--preset", "digits-set").out
    assert itop("plan", "--preset", "digits-set", "--json").json()["coverage"]["dense"] == []


@pytest.mark.parametrize("command", ["train", "sweep"])
def test_a_wrong_name_is_refused_before_anything_is_queued(itop: Itop, database: Database, command: str) -> None:
    outcome = itop(command, *READER, "--exclude", "recurent,head")
    assert outcome.code != 0
    assert "exclude: 'recurent' is not known. Did you mean 'recurrent'?" in outcome.err.replace("\n", " ")
    assert runs.count(database) == 0


def test_lists_of_names_are_no_axes_of_a_sweep() -> None:
    assert axes_of({"exclude": "a,b", "include": "c,d", "layer_densities": "a=0.1,b=0.2", "seed": "1,2"}) == {
        "seed": ("1", "2")
    }


def test_show_says_both_densities_and_what_stays_dense(itop: Itop, database: Database) -> None:
    run = trained(database)
    dense_matrices.note(database, run.id, COVERAGE)
    text = " ".join(itop("show", str(run.id)).out.split())
    assert "density 10% of the maskable weights" in text
    assert "of all 33,200 matrix weights" in text
    assert "left dense 33.13% of all matrix weights: words[red].weight (embedding), places (of Net)" in text
    coverage = itop("show", str(run.id), "--json").json()["coverage"]
    latest = sum(size for _, _, size in LAYERS) * 0.1
    assert coverage["density"] == pytest.approx((latest + 11_000) / 33_200)
    assert coverage["dense"] == DENSE


def test_show_says_how_layers_are_computed_where_that_was_chosen(itop: Itop, database: Database) -> None:
    run = trained(database)
    dense_matrices.note(database, run.id, {**COVERAGE, "execution": "masked"})
    assert "\nexecution" not in itop("show", str(run.id)).out
    dense_matrices.note(database, run.id, {**COVERAGE, "execution": "1 of 3 layers sparse, [red] 6.1 times as fast"})
    text = " ".join(itop("show", str(run.id)).out.split())
    assert "execution 1 of 3 layers sparse, [red] 6.1 times as fast" in text
    report = itop("show", str(run.id), "--json").json()
    assert report["execution"] == "1 of 3 layers sparse, [red] 6.1 times as fast"
    assert "execution" not in report["coverage"]


def test_show_of_a_run_without_a_dense_part_is_short(itop: Itop, database: Database) -> None:
    older = trained(database)
    assert itop("show", str(older.id), "--json").json()["coverage"] is None
    whole = trained(database)
    dense_matrices.note(database, whole.id, {**COVERAGE, "dense": [], "dense_weights": 0, "matrix_weights": 22_200})
    for run in (older, whole):
        text = itop("show", str(run.id)).out
        assert "left dense" not in text
        assert "of the maskable weights (" not in text
