from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from db.records import RunRecord
from db.runs import runs
from db.session import Database
from engine.launch.devices import Device, DeviceList, DeviceProcess
from engine.launch.placement import Limits, Placement, place

GIB = 2**30
CPU = Device("cpu", "toy processor")


def gpu(number: int, used: int = 0, **values: object) -> Device:
    return replace(Device(f"cuda:{number}", "toy", memory_total=10 * GIB, memory_used=used * GIB), **values)  # type: ignore[arg-type]


def machine(*gpus: Device, problem: str | None = None, unreadable: bool = False) -> DeviceList:
    return DeviceList((CPU, *gpus), problem, unreadable)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> RunRecord:
    """A true record, of which the tests change what matters."""
    folder: Path = tmp_path_factory.mktemp("placement")
    db = Database.open(f"sqlite:///{folder / 'itop.db'}")
    record = runs.create(db, config={})
    db.close()
    return record


class Queue:
    """Runs that want devices, and runs that have them."""

    def __init__(self, template: RunRecord) -> None:
        self.template = template

    def queued(self, *devices: str) -> list[RunRecord]:
        return [replace(self.template, id=n, config={"device": name}) for n, name in enumerate(devices, 1)]

    def active(self, *devices: str) -> list[RunRecord]:
        return [replace(self.template, id=100 + n, device=name, pid=1000 + n) for n, name in enumerate(devices)]


@pytest.fixture
def queue(template: RunRecord) -> Queue:
    return Queue(template)


def starts(plan: Placement) -> list[tuple[int, str]]:
    return [(run.id, ",".join(device.name for device in devices)) for run, devices in plan.starts]


def test_one_run_a_device_in_the_order_of_the_queue(queue: Queue) -> None:
    plan = place(queue.queued("cpu", "cpu", "cpu"), [], machine(), Limits())
    assert starts(plan) == [(1, "cpu")]
    assert plan.waiting == {2: "cpu is busy (1 of 1 slot taken)", 3: "cpu is busy (1 of 1 slot taken)"}
    assert place(queue.queued("cpu"), queue.active("cpu"), machine(), Limits()).starts == ()


def test_slots_are_the_users(queue: Queue) -> None:
    limits = Limits(slots={"cpu": 3, "cuda:0": 0})
    plan = place(queue.queued("cpu", "cpu", "cpu", "cuda:0"), queue.active("cpu"), machine(gpu(0)), limits)
    assert starts(plan) == [(1, "cpu"), (2, "cpu")]
    assert plan.waiting == {3: "cpu is busy (3 of 3 slots taken)", 4: "cuda:0 is closed (0 slots)"}


@pytest.mark.parametrize("value", [-1, "2", None, 0.5])
def test_a_setting_that_is_no_number_of_slots_counts_as_one(value: object) -> None:
    limits = Limits.of({"cpu": value, "cuda:0": 2}, None)
    assert (limits.slots_of("cpu"), limits.slots_of("cuda:0")) == (1, 2)


@pytest.mark.parametrize(("value", "expected"), [(0, 0.0), (0.25, 0.25), (1, 1.0), (2, 0.5), (-1, 0.5), ("x", 0.5)])
def test_a_setting_that_is_no_fraction_counts_as_not_set(value: object, expected: float) -> None:
    assert Limits.of(None, value) == Limits({}, expected)


def test_auto_takes_a_gpu_where_there_is_one_and_waits_for_it(queue: Queue) -> None:
    assert starts(place(queue.queued("auto"), [], machine(), Limits())) == [(1, "cpu")]
    both = place(queue.queued("auto", "auto", "auto"), [], machine(gpu(0), gpu(1)), Limits())
    assert starts(both) == [(1, "cuda:0"), (2, "cuda:1")]
    assert both.waiting == {3: "cuda:0 is busy (1 of 1 slot taken); cuda:1 is busy (1 of 1 slot taken)"}


def test_a_named_gpu_is_waited_for_and_does_not_hold_up_the_others(queue: Queue) -> None:
    plan = place(queue.queued("cuda:1", "cuda", "cpu"), queue.active("cuda:1"), machine(gpu(0), gpu(1)), Limits())
    assert starts(plan) == [(2, "cuda:0"), (3, "cpu")]
    assert plan.waiting == {1: "cuda:1 is busy (1 of 1 slot taken)"}


def test_the_emptier_gpu_comes_first(queue: Queue) -> None:
    limits = Limits(slots={"cuda:0": 2, "cuda:1": 2})
    plan = place(queue.queued("cuda"), queue.active("cuda:0"), machine(gpu(0), gpu(1)), limits)
    assert starts(plan) == [(1, "cuda:1")]


def test_a_device_that_is_not_there_is_refused_with_the_reason(queue: Queue) -> None:
    plan = place(queue.queued("cuda", "cuda:3"), [], machine(problem="no driver"), Limits())
    assert [reason for _, reason in plan.refused] == [
        "this host has no cuda device (no driver)",
        "this host has no device cuda:3 (no driver)",
    ]
    plan = place(queue.queued("cuda:3"), [], machine(gpu(0)), Limits())
    assert [reason for _, reason in plan.refused] == ["this host has no device cuda:3; it has cpu, cuda:0"]


def test_where_other_hosts_share_the_queue_it_waits_for_one_that_has_the_device(queue: Queue) -> None:
    plan = place(queue.queued("cuda"), [], machine(), Limits(), only_host=False)
    assert plan.refused == ()
    assert plan.waiting == {1: "this host has no cuda device"}


def test_gpus_that_cannot_be_read_are_neither_used_nor_taken_for_absent(queue: Queue) -> None:
    hidden = machine(problem="version mismatch", unreadable=True)
    plan = place(queue.queued("auto", "cuda", "cuda:0", "cpu"), [], hidden, Limits())
    assert starts(plan) == [(4, "cpu")]
    assert plan.refused == ()
    assert set(plan.waiting) == {1, 2, 3}
    assert all("version mismatch" in reason for reason in plan.waiting.values())
    lost = Device("cuda:0", "unreadable GPU", problem="GPU is lost")
    plan = place(queue.queued("auto"), [], machine(lost), Limits())
    assert plan.waiting == {1: "cuda:0 cannot be read: GPU is lost"}


def test_a_gpu_that_another_program_fills_takes_no_run(queue: Queue) -> None:
    plan = place(queue.queued("auto"), [], machine(gpu(0, used=6)), Limits())
    assert plan.waiting == {1: "cuda:0 is filled by another program (40% of its memory is free, 50% is asked for)"}
    assert starts(place(queue.queued("auto"), [], machine(gpu(0, used=6)), Limits(free_fraction=0.4))) == [
        (1, "cuda:0")
    ]
    assert starts(place(queue.queued("auto"), [], machine(gpu(0, used=6), gpu(1)), Limits())) == [(1, "cuda:1")]


def test_memory_of_our_own_runs_does_not_count_as_another_programs(queue: Queue) -> None:
    shared = machine(gpu(0, used=6, processes=(DeviceProcess(1000, 4 * GIB), DeviceProcess(5, 2 * GIB))))
    limits = Limits(slots={"cuda:0": 2})
    active = queue.active("cuda:0")
    assert starts(place(queue.queued("auto"), active, shared, limits, our_pids={1000})) == [(1, "cuda:0")]
    assert place(queue.queued("auto"), active, shared, limits).starts == ()


def several(queue: Queue, *settings: dict[str, str]) -> list[RunRecord]:
    return [replace(queue.template, id=number, config=one) for number, one in enumerate(settings, 1)]


def test_a_run_on_several_gpus_starts_when_all_of_them_are_free(queue: Queue) -> None:
    two = several(queue, {"device": "cuda", "devices": "2"}, {"device": "cuda:2"})
    gpus = machine(gpu(0), gpu(1), gpu(2))
    assert starts(place(two, [], gpus, Limits())) == [(1, "cuda:0,cuda:1"), (2, "cuda:2")]
    plan = place(two[:1], queue.active("cuda:0,cuda:1"), gpus, Limits())
    assert plan.starts == ()
    assert plan.waiting[1].startswith("1 of the 2 devices that it needs are free: cuda:0 is busy")


def test_gpus_that_a_run_names_are_given_in_its_order(queue: Queue) -> None:
    named = several(queue, {"device": "auto", "devices": "cuda:2,cuda:0"})
    gpus = machine(gpu(0), gpu(1), gpu(2))
    assert starts(place(named, [], gpus, Limits())) == [(1, "cuda:2,cuda:0")]
    assert starts(place(named, queue.active("cuda:1"), gpus, Limits())) == [(1, "cuda:2,cuda:0")]
    assert place(named, queue.active("cuda:2"), gpus, Limits()).starts == ()


def test_more_gpus_than_a_host_has_are_refused_with_their_number(queue: Queue) -> None:
    wanted = several(queue, {"device": "cuda", "devices": "3"}, {"device": "auto", "devices": "cuda:0,cuda:7"})
    plan = place(wanted, [], machine(gpu(0), gpu(1)), Limits())
    assert [reason for _, reason in plan.refused] == [
        "the run asks for 3 GPUs; this host has cuda:0, cuda:1",
        "this host has no device cuda:7; it has cpu, cuda:0, cuda:1",
    ]


def test_the_processes_of_a_run_on_the_processor_take_one_slot(queue: Queue) -> None:
    runs_on_cpu = several(queue, {"device": "cpu", "devices": "2"}, {"device": "cpu"})
    plan = place(runs_on_cpu, [], machine(), Limits(slots={"cpu": 2}))
    assert starts(plan) == [(1, "cpu"), (2, "cpu")]
