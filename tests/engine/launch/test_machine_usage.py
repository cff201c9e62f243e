"""What a run uses, from readings of devices that a test makes up."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from db.history.declared import MACHINE_METRICS
from engine.launch.devices import Device, DeviceList, DeviceProcess
from engine.launch.machine_usage import MachineUsage, UsageReader
from engine.launch.processor_energy import ProcessorEnergy
from tests.engine.launch.test_processor_energy import counters

GIB = 2**30
HOST = Device("cpu", "toy", memory_total=16 * GIB, memory_used=4 * GIB, utilisation=25.0)
OWN = (DeviceProcess(os.getpid(), 2 * GIB, 50.0), DeviceProcess(1, GIB, 20.0))


def gpu(name: str = "cuda:0", **what: Any) -> Device:
    known: dict[str, Any] = {
        "memory_used": 3 * GIB,
        "utilisation": 80.0,
        "temperature": 61.0,
        "power": 200.0,
        "processes": OWN,
    }
    return Device(name, "toy", **(known | what))


def readings(devices: str, *each: tuple[Device, ...], folder: Path = Path("/nowhere")) -> list[MachineUsage]:
    """One reading every ten seconds."""
    probes = iter(each)
    times: Iterator[float] = iter(number * 5.0 for number in range(100))  # the tree asks for the time as well
    reader = UsageReader(
        devices.split(","),
        probe=lambda: DeviceList((HOST, *next(probes))),
        clock=lambda: next(times),
        processors=ProcessorEnergy(folder),
    )
    return [reader() for _ in each]


def test_a_gpu_is_read_with_the_part_of_the_run() -> None:
    first, second = readings("cuda:0", (gpu(),), (gpu(power=100.0),))
    assert set(second.values) == set(MACHINE_METRICS)
    given = {name: second.values[name] for name in MACHINE_METRICS if name not in ("process_cpu", "process_memory")}
    assert given == {
        "host_cpu": 0.25,
        "host_memory": 4.0,
        "process_gpu_load": 0.5,
        "gpu_load": 0.8,
        "process_gpu_memory": 2.0,
        "gpu_memory": 3.0,
        "gpu_temperature": 61.0,
        "device_power": 100.0,
    }
    assert 0 < second.values["process_memory"] < 64
    # Loads of processors are differences, and energy is a sum over time: the first reading knows neither.
    assert first.values.keys() == second.values.keys() - {"process_cpu", "host_cpu"}
    assert first.joules is None
    assert second.joules == pytest.approx(150.0 * 10)


def test_a_counter_of_energy_is_believed_before_the_power_of_a_moment() -> None:
    *_, last = readings("cuda:0", (gpu(energy=1000.0),), (gpu(energy=1700.0),), (gpu(energy=2200.0, power=None),))
    assert last.joules == pytest.approx(1200.0)
    assert last.values["device_power"] == pytest.approx(50.0)


def test_several_gpus_are_one_device_of_the_run() -> None:
    other = gpu("cuda:2", utilisation=40.0, temperature=70.0, power=100.0, processes=(DeviceProcess(1, GIB, 99.0),))
    _, last = readings("cuda:0,cuda:2", *[(gpu(), gpu("cuda:1", power=999.0), other)] * 2)
    assert last.values["gpu_load"] == pytest.approx(0.6)
    assert (last.values["gpu_memory"], last.values["gpu_temperature"]) == (6.0, 70.0)
    assert last.values["device_power"] == 300.0
    assert last.joules == pytest.approx(3000.0)
    # On the second one the driver sees no process of the run: what the run uses in all is not known.
    assert "process_gpu_memory" not in last.values


def test_what_is_not_said_is_not_there_and_never_0() -> None:
    silent: dict[str, Any] = {"utilisation": None, "temperature": None, "power": None, "processes": ()}
    _, last = readings("cuda:0", *[(gpu(**silent),)] * 2)
    assert last.values.keys() == {"process_cpu", "host_cpu", "process_memory", "host_memory", "gpu_memory"}
    assert last.joules is None
    # Of two GPUs one that does not say its power: what is known of the other is not the run's.
    _, half = readings("cuda:0,cuda:1", *[(gpu(), gpu("cuda:1", power=None))] * 2)
    assert "device_power" not in half.values
    assert half.joules is None


def test_without_nvml_there_are_no_rows_of_gpus() -> None:
    for devices in ("cpu", "cuda:0", "mps"):
        _, last = readings(devices, (), ())
        assert last.values.keys() == {"process_cpu", "host_cpu", "process_memory", "host_memory"}
        assert last.joules is None


def test_the_only_visible_gpu_is_the_runs_whatever_its_number() -> None:
    (found,) = readings("cuda:0", (gpu("cuda:5"),))
    assert found.values["gpu_memory"] == 3.0
    (other,) = readings("cuda:0", (gpu("cuda:4"), gpu("cuda:5")))
    assert "gpu_memory" not in other.values


def test_a_run_on_the_processor_has_the_energy_of_the_processors(tmp_path: Path) -> None:
    counters(tmp_path, package_0=0)
    reader_probe = DeviceList((HOST, gpu()))  # a GPU of somebody else
    now = [0.0]
    reader = UsageReader(
        ["cpu"], probe=lambda: reader_probe, clock=lambda: now[0], processors=ProcessorEnergy(tmp_path)
    )
    assert reader().joules is None
    now[0] = 10.0
    counters(tmp_path, package_0=90_000_000)
    last = reader()
    assert last.joules == pytest.approx(90.0)
    assert last.values["device_power"] == pytest.approx(9.0)
    assert "gpu_memory" not in last.values
