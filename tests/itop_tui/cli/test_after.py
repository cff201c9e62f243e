"""`--after`, `--after-ok` and `itop after`."""

from __future__ import annotations

import pytest

from db.records import RunStatus, StartsAfter
from db.runs import commands, dependencies, runs
from db.session import Database
from tests.itop_tui.cli.conftest import Itop
from tests.itop_tui.cli.recorded import queued, running

TRAIN = ("train", "--data", "digits", "--model", "lenet300-100")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--after", "1"), StartsAfter((1,))),
        (("--after", "1,2", "--after", "3"), StartsAfter((1, 2, 3))),
        (("--after", "2..9"), StartsAfter((2, 3))),
        (("--after-ok", "second"), StartsAfter((), (2,))),
        (("--after_ok", "a, b", "--after", "1"), StartsAfter((1,), (3,))),
        (("--after", "1,2", "--after-ok", "2"), StartsAfter((1,), (2,))),
    ],
)
def test_the_runs_to_wait_for_are_named_as_anywhere(
    itop: Itop, database: Database, words: tuple[str, ...], expected: StartsAfter
) -> None:
    for name in ("first", "second", "a, b"):
        queued(database, name=name)
    made = itop(*TRAIN, *words, "--json").json()
    assert (made["after"], made["after_ok"]) == (list(expected.after), list(expected.after_ok))
    assert dependencies.of(database, [made["id"]]) == {made["id"]: expected}
    shown = itop("show", str(made["id"]), "--json").json()
    assert (shown["after"], shown["after_ok"]) == (made["after"], made["after_ok"])
    (waits,) = (one for one in itop("queue", "--json").json()["waiting"] if one["id"] == made["id"])
    assert (waits["after"], waits["after_ok"]) == (made["after"], made["after_ok"])
    assert waits["waits_because"].startswith("after run")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--after", "7"), "after = '7': there is no run '7'. The latest is run 2"),
        (("--after-ok", "secnd"), "after_ok = 'secnd': there is no run 'secnd'. Did you mean 'second'?"),
        (("--after", "5..3"), "after = '5..3': a range goes upwards: 3..5"),
        (("--after", "5..9"), "after = '5..9': there is no run from 5 to 9"),
        (
            ("--after-ok", "1"),
            "after_ok = '1': run 1 (first) was stopped: what is to start only after it has completed",
        ),
    ],
)
def test_a_wrong_run_is_refused_and_nothing_is_queued(
    itop: Itop, database: Database, words: tuple[str, ...], message: str
) -> None:
    commands.send(database, queued(database, name="first").id, "stop")
    queued(database, name="second")
    for command in (TRAIN, ("sweep", *TRAIN[1:], "--seed", "1,2"), ("resume", "1")):
        outcome = itop(*command, *words)
        assert outcome.code == 2
        assert message in " ".join(outcome.err.split())
    assert runs.count(database) == 2
    assert runs.get(database, 1).status is RunStatus.STOPPED


def test_sweep_and_resume_take_them_too(itop: Itop, database: Database) -> None:
    first, second = queued(database, name="first"), queued(database, name="second")
    made = itop("sweep", *TRAIN[1:], "--seed", "1,2", "--after", "first", "--json").json()
    assert [one["after"] for one in made] == [[first.id], [first.id]]
    commands.send(database, second.id, "stop")
    assert itop("resume", str(second.id), "--after-ok", str(first.id), "--json").json()["after_ok"] == [first.id]
    commands.send(database, second.id, "stop")
    assert itop("resume", str(second.id), "--json").json()["after_ok"] == []
    assert "after run 1 (queued)" in " ".join(itop("queue").out.split())


def test_a_queued_run_gets_others_to_wait_for(itop: Itop, database: Database, scheduler_calls: list[int]) -> None:
    first, second, third = (queued(database, name=name) for name in ("first", "second", "third"))
    running(database, first)
    scheduler_calls.clear()
    assert "run 3  third  place 2 of 2, after run 1 (running), priority 0" in itop("after", "third", "1").out
    assert scheduler_calls
    (changed,) = itop("after", "3", "1", "--ok", "2", "--json").json()
    assert (changed["after"], changed["after_ok"]) == ([first.id], [second.id])
    assert "third  place 2 of 2, priority 0" in itop("after", "3", "--none").out
    assert dependencies.of(database, [third.id]) == {}
    for words in (("3",), ("3", "1", "--none")):
        assert itop("after", *words).code == 2
    refused = itop("after", "3", "3")
    assert (refused.code, refused.err.strip()) == (1, "itop: Run 3 (third) cannot start after itself.")
    assert itop("after", "1", "2").code == 1


def test_waiting_for_a_run_that_will_not_start_fails_with_the_reason(itop: Itop, database: Database) -> None:
    first = queued(database, name="first")
    second = queued(database, name="second")
    itop("after", "2", "--ok", "1")
    commands.send(database, first.id, "stop")
    outcome = itop(*TRAIN, "--name", "third", "--after-ok", str(second.id), "--wait")
    assert outcome.code == 1
    assert "third: held: after run 2, which is held behind run 1, which was stopped" in " ".join(outcome.out.split())
