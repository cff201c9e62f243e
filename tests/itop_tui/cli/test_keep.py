"""The commands that keep runs in order: star, archive, tag, note, rename."""

from __future__ import annotations

import pytest

from db.records import RunQuery, RunRecord
from db.runs import runs
from db.session import Database
from tests.described import described
from tests.itop_tui.cli.conftest import Itop
from tests.itop_tui.cli.recorded import queued, trained


def _again(database: Database, run: RunRecord) -> RunRecord:
    return runs.get(database, run.id)


def test_stars_are_given_and_taken(itop: Itop, database: Database) -> None:
    first, second = trained(database, "first"), trained(database, "second")
    assert "first" in itop("star", "first", str(second.id)).out
    assert _again(database, first).starred_at is not None
    assert [run["name"] for run in itop("runs", "is:starred", "--json").json()] == ["second", "first"]
    assert [run["starred_at"] for run in itop("unstar", "--query", "name:fir", "--json").json()] == [None]
    assert _again(database, first).starred_at is None
    assert _again(database, second).starred_at is not None


def test_archived_runs_leave_the_list_and_come_back(itop: Itop, database: Database) -> None:
    run = trained(database, "old")
    trained(database, "new")
    itop("archive", "old")

    def names(*line: str) -> list[str]:
        return [run["name"] for run in itop("runs", *line, "--json").json()]

    assert names() == ["new"]
    assert names("--archived") == names("is:archived") == ["old"]
    assert itop("unarchive", "--query", "old").code == 0
    assert names() == ["new", "old"]
    assert _again(database, run).archived_at is None


def test_tags_are_given_and_taken_in_one_command(itop: Itop, database: Database) -> None:
    run = trained(database, "tagged")
    before = run.tags
    outcome = itop("tag", "tagged", "+paper", "+two words", *(f"-{tag}" for tag in before))
    assert outcome.code == 0, outcome.err
    assert "tags: paper, two words" in outcome.out
    assert _again(database, run).tags == ("paper", "two words")
    assert itop("tag", "--query", "tag:paper", "-paper", "--json").json()[0]["tags"] == ["two words"]
    assert "which tags?" in itop("tag", "tagged").err
    assert itop("tag", "+paper").code == 2


def test_of_several_runs_each_is_shown_with_its_own_tags(itop: Itop, database: Database) -> None:
    first, second = (runs.create(database, config={}, name=f"run {tag}", tags=(tag,)) for tag in "ab")
    shown = itop("tag", str(first.id), str(second.id), "+x").out
    assert [line.split("tags: ")[1] for line in shown.splitlines()] == ["a, x", "b, x"]


def test_a_run_is_noted_and_renamed(itop: Itop, database: Database) -> None:
    run = trained(database, "plain")
    assert itop("note", "plain", "diverges\nlate").code == 0
    assert _again(database, run).notes == "diverges\nlate"
    assert "was plain" in itop("rename", "plain", "fancy [b]").out
    assert _again(database, run).name == "fancy [b]"
    assert itop("note", str(run.id), "").code == 0
    assert _again(database, run).notes == ""
    assert "cannot be blank" in itop("rename", str(run.id), "  ").err


def test_which_runs_are_meant_is_never_guessed(itop: Itop, database: Database) -> None:
    queued(database, "one")
    both = itop("star", "one", "--query", "one")
    assert (both.code, "not both" in both.err) == (2, True)
    assert itop("star").code == 2
    assert "no run matches name:two" in itop("star", "--query", "name:two").err
    wrong = itop("star", "--query", "nme:one")
    assert wrong.code == 2
    assert "did you mean name?" in wrong.err
    assert runs.find(database, "one").starred_at is None


@pytest.mark.usefixtures("scheduler_calls")
def test_an_archived_run_still_counts_where_it_matters(itop: Itop, database: Database) -> None:
    parent = trained(database, "parent")
    fork = runs.create(database, **described(parent.config), name="fork", parent_id=parent.id)
    itop("archive", "fork")
    # Deleting the parent speaks of its fork, though no list shows it.
    assert f"Run {fork.id} was forked from run {parent.id}" in itop("delete", "parent").err
    line = ("sweep", "--data", "digits", "--model", "lenet300-100", "--seed", "1,2", "--group", "grid", "--json")
    assert itop(*line).code == 0
    made = runs.count(database, RunQuery(group="grid"))
    itop("archive", "--query", "group:grid")
    assert itop(*line).code == 0
    assert made == 2
    assert runs.count(database, RunQuery(group="grid", archived=None)) == 2, "nothing is missing from the grid"
