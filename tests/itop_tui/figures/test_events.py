"""What happened to a run, as charts mark it."""

from __future__ import annotations

import numpy as np

from itop_tui.figures.events import drop, drops, happenings
from tests.itop_tui.run import made


def test_drops_are_milestones_and_not_a_slide() -> None:
    steps = np.arange(1.0, 101)
    milestone = np.where(steps < 50, 0.1, np.where(steps < 75, 0.01, 0.001))
    assert drops(steps, milestone).tolist() == [50, 75]
    cosine = 0.05 * (1 + np.cos(np.pi * steps / 100))
    assert drops(steps, cosine).tolist() == []
    assert drops(steps[:2], milestone[:2]).tolist() == []
    assert drops(steps, np.full(100, np.nan)).tolist() == []


def test_forks_resumes_and_checkpoints_are_told_by_step() -> None:
    child = made.run(parent_id=3, fork_step=100)
    tries = (made.attempt(start_step=100), made.attempt(number=2, start_step=150))
    found = happenings(
        child, tries, (made.checkpoint(step=150), made.checkpoint(step=150, kind="best"), made.checkpoint(step=120))
    )
    assert [(one.x, one.kind) for one in found] == [
        (100, "fork"), (120, "checkpoint"), (150, "checkpoint"), (150, "resume"),
    ]  # fmt: skip
    assert found[2].text == "checkpoint 150 (latest, best)"
    assert found[3].text == "resumed at 150 (attempt 2)"


def test_a_drop_tells_what_the_rate_drops_to() -> None:
    steps, rates = np.array([1.0, 2.0, 3.0]), np.array([0.1, 0.1, 0.01])
    assert drop(3.0, steps, rates).text == "learning rate drops to 0.01 at 3"
    assert drop(7.0, steps, rates).text == "learning rate drops at 7"
