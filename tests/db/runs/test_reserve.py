"""Giving a waiting run its devices: all of them or none, and never more runs than a device has slots."""

from __future__ import annotations

import random
import threading

import pytest
import sqlalchemy as sa

from db.errors import StoreError
from db.models import DeviceClaimRow
from db.records import RunStatus
from db.runs import attempts, runs
from db.session import Database
from tests.db.helpers import end, new_run, start


def test_a_reserved_run_starts(db: Database) -> None:
    run = new_run(db)
    attempt = runs.reserve(db, run.id, host="h", device="cuda:0", slots=1)
    assert attempt is not None
    assert (attempt.run_id, attempt.number, attempt.start_step) == (run.id, 1, 0)
    assert attempt.status is RunStatus.STARTING
    run = runs.get(db, run.id)
    assert (run.status, run.host, run.device, run.attempt_count) == ("starting", "h", "cuda:0", 1)
    assert run.started_at == attempt.started_at


def test_only_one_gets_a_run(db: Database) -> None:
    run = new_run(db)
    assert runs.reserve(db, run.id, host="h", device="cpu", slots=9)
    assert runs.reserve(db, run.id, host="h", device="cpu", slots=9) is None


def test_a_device_has_so_many_slots(db: Database) -> None:
    first, second, third, fourth = (new_run(db) for _ in range(4))
    assert runs.reserve(db, first.id, host="h", device="cuda:0", slots=2)
    assert runs.reserve(db, second.id, host="h", device="cuda:0", slots=2)
    assert runs.reserve(db, third.id, host="h", device="cuda:0", slots=2) is None
    assert runs.get(db, third.id).status is RunStatus.QUEUED
    assert runs.reserve(db, third.id, host="h", device="cuda:1", slots=1)
    assert runs.reserve(db, fourth.id, host="other", device="cuda:0", slots=1)


def test_an_ended_attempt_gives_its_slot_back(db: Database) -> None:
    first, second = new_run(db), new_run(db)
    start(db, first, slots=1)
    assert runs.reserve(db, second.id, host="here", device="cpu", slots=1) is None
    end(db, first)
    assert runs.reserve(db, second.id, host="here", device="cpu", slots=1)


def test_no_slot_no_start(db: Database) -> None:
    assert runs.reserve(db, new_run(db).id, host="h", device="cpu", slots=0) is None


def test_a_held_or_deleted_run_does_not_start(db: Database) -> None:
    run = new_run(db)
    runs.update_fields(db, run.id, held=True)
    assert runs.reserve(db, run.id, host="h", device="cpu", slots=1) is None
    assert runs.reserve(db, 99, host="h", device="cpu", slots=1) is None


def claims(db: Database) -> set[tuple[int, str]]:
    with db.read() as session:
        return {(row.attempt_id, row.device) for row in session.scalars(sa.select(DeviceClaimRow))}


def test_several_devices_are_had_together_or_not_at_all(db: Database) -> None:
    pair, one, late = (new_run(db) for _ in range(3))
    attempt = runs.reserve(db, pair.id, host="h", device=("cuda:0", "cuda:2"), slots=1)
    assert attempt is not None
    assert attempt.device == runs.get(db, pair.id).device == "cuda:0,cuda:2"
    assert claims(db) == {(attempt.id, "cuda:0"), (attempt.id, "cuda:2")}
    assert runs.reserve(db, one.id, host="h", device="cuda:2", slots=1) is None
    assert runs.reserve(db, one.id, host="h", device=["cuda:1", "cuda:2"], slots=1) is None
    assert runs.get(db, one.id).status is RunStatus.QUEUED
    assert claims(db) == {(attempt.id, "cuda:0"), (attempt.id, "cuda:2")}
    assert runs.reserve(db, one.id, host="h", device=["cuda:1", "cuda:2"], slots={"cuda:1": 1, "cuda:2": 2})
    attempts.finish(db, attempt.id, status=RunStatus.COMPLETED, reason=None)
    assert {device for _, device in claims(db)} == {"cuda:1", "cuda:2"}
    assert runs.reserve(db, late.id, host="h", device=["cuda:0", "cuda:0"], slots=1)


def test_no_device_is_no_place_to_start(db: Database) -> None:
    with pytest.raises(StoreError, match="no device at all"):
        runs.reserve(db, new_run(db).id, host="h", device=[], slots=1)


def test_threads_that_race_for_overlapping_devices_never_exceed_the_slots(db: Database) -> None:
    slots = {"cuda:0": 1, "cuda:1": 2, "cuda:2": 1}
    waiting = [new_run(db).id for _ in range(24)]
    excess: list[object] = []
    failures: list[BaseException] = []
    both = threading.Barrier(2)

    def serve(seed: int) -> None:
        dice = random.Random(seed)
        both.wait()
        try:
            for run_id in waiting:
                wanted = dice.sample(sorted(slots), dice.randint(1, 3))
                attempt = runs.reserve(db, run_id, host="h", device=wanted, slots=slots)
                held = [device for one in attempts.open_attempts(db, "h") for device in one.device.split(",")]
                excess.extend(device for device in slots if held.count(device) > slots[device])
                if attempt is not None and dice.random() < 0.7:
                    attempts.finish(db, attempt.id, status=RunStatus.COMPLETED, reason=None)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=serve, args=(seed,)) for seed in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert excess == []
    assert any(run.attempt_count for run in runs.list_runs(db))
    held = [device for one in attempts.open_attempts(db, "h") for device in one.device.split(",")]
    assert sorted(held) == sorted(device for _, device in claims(db))
