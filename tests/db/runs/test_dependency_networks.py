from __future__ import annotations

from collections.abc import Callable

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db.records import TERMINAL, RunRecord, RunStatus, StartsAfter
from db.runs import behind, dependencies, runs
from db.session import Database
from tests.db.helpers import end, new_run

BAD = tuple(status for status in TERMINAL if status is not RunStatus.COMPLETED)


@st.composite
def networks(draw: st.DrawFn) -> tuple[list[dict[int, bool]], list[RunStatus], list[int]]:
    """Runs, each after some of those before it (whether these must complete); how each ends; whose turn it is."""
    number = draw(st.integers(2, 6))
    before = [
        draw(st.dictionaries(st.integers(0, position - 1), st.booleans(), max_size=3)) if position else {}
        for position in range(number)
    ]
    ends = draw(st.lists(st.sampled_from((RunStatus.COMPLETED, *BAD)), min_size=number, max_size=number))
    turns = draw(st.lists(st.integers(0, 9), min_size=number, max_size=number))
    return before, ends, turns


class Model:
    """What should be: the states of runs by their places, and what follows from them."""

    def __init__(self, before: list[dict[int, bool]]) -> None:
        self.before = before
        self.status: list[RunStatus] = [RunStatus.QUEUED] * len(before)

    def ready(self, at: int) -> bool:
        done = (RunStatus.COMPLETED,)
        return all(self.status[other] in (done if ok else TERMINAL) for other, ok in self.before[at].items())

    def stuck(self, at: int) -> bool:
        if self.status[at] is not RunStatus.QUEUED:
            return False
        return any(ok and (self.status[other] in BAD or self.stuck(other)) for other, ok in self.before[at].items())


def run_dry(
    db: Database, model: Model, made: list[RunRecord], end_of: Callable[[int], RunStatus], turns: list[int]
) -> None:
    """Start what may start and end what runs, one at a time, until nothing runs."""
    active: list[int] = []
    for turn in [*turns, *([0] * 20)]:
        behind.settle(db)
        waiting = [at for at, status in enumerate(model.status) if status is RunStatus.QUEUED]
        ids = {made[at].id: at for at in waiting}
        assert {ids[run.id] for run in runs.get_many(db, ids) if run.held} == set(filter(model.stuck, waiting))
        assert {ids[one] for one in dependencies.who_wait(db) if one in ids} == {
            at for at in waiting if not model.ready(at)
        }
        for at in waiting:
            attempt = runs.reserve(db, made[at].id, host="here", device="cpu", slots=100_000)
            assert (attempt is not None) == model.ready(at)
            if attempt is not None:
                model.status[at] = RunStatus.STARTING
                active.append(at)
        if not active:
            return
        ended = active.pop(turn % len(active))
        model.status[ended] = end_of(ended)
        end(db, made[ended], model.status[ended])
    raise AssertionError("it did not end")


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(network=networks())
def test_nothing_starts_before_its_time_and_everything_that_can_start_does(
    db: Database, network: tuple[list[dict[int, bool]], list[RunStatus], list[int]]
) -> None:
    before, ends, turns = network
    made: list[RunRecord] = []
    for others in before:
        kinds = {
            name: tuple(sorted(made[at].id for at, ok in others.items() if ok is wanted))
            for name, wanted in (("after", False), ("after_ok", True))
        }
        made.append(new_run(db, starts_after=StartsAfter(**kinds)))
        assert dependencies.of(db, [made[-1].id]).get(made[-1].id, StartsAfter()) == StartsAfter(**kinds)
    model = Model(before)
    run_dry(db, model, made, ends.__getitem__, turns)
    assert not any(model.ready(at) for at, status in enumerate(model.status) if status is RunStatus.QUEUED)
    # Once everything that ended otherwise is resumed, and completes, the rest follows without any release.
    for at, status in enumerate(model.status):
        if status in BAD:
            runs.requeue_resume(db, made[at].id, None)
            model.status[at], model.before[at] = RunStatus.QUEUED, {}
    run_dry(db, model, made, lambda _: RunStatus.COMPLETED, turns)
    assert model.status == [RunStatus.COMPLETED] * len(made)
