"""`itop sweep`: grids, and what is missing of them."""

from __future__ import annotations

import pytest

from db.records import RunQuery, RunRecord, RunStatus
from db.runs import attempts, runs
from db.session import Database
from itop_tui.service import sweeps
from tests.itop_tui.cli.conftest import Itop
from tests.itop_tui.cli.recorded import trained

GRID = ("sweep", "--preset", "digits-rigl", "--density", "0.05,0.1", "--seed", "1,2,3")


def queued(database: Database) -> list[RunRecord]:
    return runs.list_runs(database, RunQuery(descending=False, limit=None))


def test_comma_lists_make_a_grid_in_one_group(itop: Itop, database: Database, scheduler_calls: list[int]) -> None:
    documents = itop(*GRID, "--json").json()
    assert [(one["config"]["density"], one["config"]["seed"]) for one in documents] == [
        (0.05, 1),
        (0.05, 2),
        (0.05, 3),
        (0.1, 1),
        (0.1, 2),
        (0.1, 3),
    ]
    stored = queued(database)
    assert {run.group for run in stored} == {stored[0].group}
    assert len({run.name for run in stored}) == 6
    assert all(run.config["growth"] == "gradient" for run in stored)
    assert scheduler_calls == [1]


def test_the_same_grid_again_queues_nothing(itop: Itop, database: Database) -> None:
    itop(*GRID)
    again = itop(*GRID)
    assert again.code == 0
    assert "nothing to queue" in again.err
    assert itop(*GRID, "--json").json() == []
    assert len(queued(database)) == 6


def test_what_failed_is_missing_and_what_completed_is_not(itop: Itop, database: Database) -> None:
    itop(*GRID, "--group", "paper")
    first, second, *_ = queued(database)
    for run, status in ((first, RunStatus.COMPLETED), (second, RunStatus.FAILED)):
        attempt = runs.reserve(database, run.id, host="here", device="cpu", slots=9)
        assert attempt is not None
        attempts.finish(database, attempt.id, status=status, reason="for the test")
    (document,) = itop(*GRID, "--group", "paper", "--json").json()
    assert (document["config"]["density"], document["config"]["seed"]) == (0.05, 2)


def test_a_wider_grid_in_a_named_group_queues_the_rest(itop: Itop, database: Database) -> None:
    itop("sweep", "--preset", "digits-set", "--seed", "1,2", "--group", "seeds")
    itop("sweep", "--preset", "digits-set", "--seed", "1,2,3", "--group", "seeds")
    assert [run.seed for run in queued(database)] == [1, 2, 3]


def test_the_same_value_twice_is_one_point(itop: Itop) -> None:
    documents = itop("sweep", "--sparse", "--density", "0.1,0.10, 0.1,", "--json").json()
    assert [one["config"]["density"] for one in documents] == [0.1]


def test_iters_repeats_each_point_with_further_seeds(itop: Itop) -> None:
    documents = itop("sweep", "--lr", "0.1,0.2", "--seed", "5", "--iters", "2", "--json").json()
    assert [(one["config"]["lr"], one["config"]["seed"]) for one in documents] == [
        (0.1, 5),
        (0.1, 6),
        (0.2, 5),
        (0.2, 6),
    ]


def test_every_problem_of_the_grid_is_told_once_and_nothing_is_queued(itop: Itop, database: Database) -> None:
    outcome = itop("sweep", "--sparse", "--density", "0.1,7", "--growth", "gradient,gradiant", "--lr", "0.1,0.2")
    assert outcome.code == 2
    assert outcome.err.count("density = '7'") == 1
    assert outcome.err.count("did you mean gradient?") == 1
    assert queued(database) == []


def test_a_grid_too_large_to_be_meant_is_refused(itop: Itop, database: Database) -> None:
    many = ",".join(map(str, range(1001)))
    outcome = itop("sweep", "--seed", many)
    assert outcome.code == 2
    assert "nothing was queued: this queues 1,001 runs; --yes queues them" in outcome.err
    assert queued(database) == []


@pytest.mark.parametrize("answer", ["y", "n", ""])
def test_a_large_grid_asks(
    itop: Itop, database: Database, monkeypatch: pytest.MonkeyPatch, answer: str, scheduler_calls: list[int]
) -> None:
    monkeypatch.setattr(sweeps, "MOST", 3)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda: answer)
    outcome = itop("sweep", "--seed", "1..4")
    assert "This queues 4 runs. Queue them? [y/N]" in outcome.err
    assert len(queued(database)) == (4 if answer == "y" else 0)
    assert itop("sweep", "--seed", "1..4", "--yes").code == 0
    assert len(queued(database)) == 4


@pytest.mark.parametrize("words", [("train",), ("fork", "1")])
def test_so_many_repetitions_ask_too(
    itop: Itop, database: Database, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    trained(database)
    outcome = itop(*words, "--epochs", "90", "--iters", "1001")
    assert (outcome.code, "this queues 1,001 runs; --yes queues them" in outcome.err) == (2, True), outcome.err
    monkeypatch.setattr(sweeps, "MOST", 3)
    assert itop(*words, "--epochs", "90", "--iters", "4", "--yes").code == 0
    assert len(queued(database)) == 5
    outcome = itop(*words, "--epochs", "90", "--iters", "1000000000", "--yes")
    assert (outcome.code, "must be at most 50,000" in outcome.err) == (2, True)


def test_a_question_that_ends_without_an_answer_is_a_no(
    itop: Itop, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ended() -> str:
        raise EOFError

    monkeypatch.setattr(sweeps, "MOST", 3)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", ended)
    outcome = itop("sweep", "--seed", "1..4")
    assert (outcome.code, outcome.err.splitlines()[-1]) == (1, "itop: nothing was queued")
    assert queued(database) == []


def test_more_than_any_sweep_may_have_is_refused_whatever_is_said(itop: Itop, database: Database) -> None:
    outcome = itop("sweep", "--seed", "1..60000", "--yes")
    assert (outcome.code, "more than the 50,000" in outcome.err) == (2, True)


@pytest.mark.parametrize("more", [(), ("--iters", "2")])
def test_a_dry_run_shows_the_grid_and_queues_nothing(itop: Itop, database: Database, more: tuple[str, ...]) -> None:
    outcome = itop(*GRID, "--dry-run", *more)
    assert outcome.code == 0
    assert "DENSITY" in outcome.out
    assert "nothing was queued" in outcome.err
    assert queued(database) == []


def test_commas_in_paths_are_commas(itop: Itop) -> None:
    (document,) = itop("sweep", "--save", "a,b.pt", "--json").json()
    assert document["config"]["save"] == "a,b.pt"


def test_a_range_is_a_list_and_the_same_group(itop: Itop, database: Database) -> None:
    itop("sweep", "--preset", "digits-set", "--seed", "1..3")
    assert "nothing to queue" in itop("sweep", "--preset", "digits-set", "--seed", "1,2,3").err
    assert [run.seed for run in queued(database)] == [1, 2, 3]
    outcome = itop("sweep", "--preset", "digits-set", "--seed", "3..1")
    assert outcome.code == 2
    assert "seed = '3..1': a range goes upwards: 1..3" in outcome.err


def test_runs_are_named_by_what_tells_them_apart(itop: Itop, database: Database) -> None:
    assert itop(*GRID, "--name", "paper").code == 0
    assert [run.name for run in queued(database)][:2] == ["paper-density0.05-seed1", "paper-density0.05-seed2"]
    listed = itop(*GRID, "--name", "{growth} {seed}", "--dry-run").out.splitlines()
    assert listed[1].split("  ") == ["gradient 1-density0.05", "0.05", "1"]
    wrong = itop(*GRID, "--name", "{densty}")
    assert wrong.code == 2
    assert wrong.err.startswith("itop: name = '{densty}': {densty} is no setting (did you mean {density}?)")
