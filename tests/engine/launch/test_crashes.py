"""Schedulers killed with -9 at random instants: nothing is lost, nothing runs twice, nothing is stuck."""

from __future__ import annotations

import itertools
import random
import signal
import time

import pytest

from db.records import RunStatus
from db.runs import attempts
from engine.launch import submit
from tests.engine.launch.tools import Lab, wait_for


def disturb(lab: Lab, *, seed: int, kills: int, runs: int) -> None:
    """Run a queue to its end while its schedulers are being killed; then assert that nothing of that is to be seen."""
    instants = random.Random(seed)
    queue = [lab.queue("finish 0.05") for _ in range(runs)]
    for _ in range(kills):
        scheduler = lab.start_scheduler()
        pause = instants.uniform(0.3, 1.5)  # not waited for a condition: the instant of death is what is tried out
        try:
            scheduler.wait(pause)
        except Exception:
            scheduler.send_signal(signal.SIGKILL)
        scheduler.wait()
    wait_for(lambda: not submit.scheduler_running(lab.db), "the last killed scheduler's lock to be free")
    lab.ensure_scheduler()
    spans = []
    for run in queue:
        ended = lab.wait_status(run, RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.LOST)
        assert (ended.status, ended.exit_code) == (RunStatus.COMPLETED, 0)
        (attempt,) = attempts.for_run(lab.db, run.id)
        assert lab.files(run).console.read_text().count("--- attempt") == 1
        assert attempt.ended_at is not None
        spans.append((attempt.started_at, attempt.ended_at))
    spans.sort()
    assert all(ended <= started for (_, ended), (started, _) in itertools.pairwise(spans))


def test_a_queue_comes_to_its_end_though_its_schedulers_are_killed(lab: Lab) -> None:
    disturb(lab, seed=1, kills=2, runs=3)


@pytest.mark.slow
def test_a_long_queue_comes_to_its_end_though_its_schedulers_are_killed(lab: Lab) -> None:
    seed = int(time.time())
    print(f"seed {seed}")
    disturb(lab, seed=seed, kills=60, runs=40)
