from __future__ import annotations

import subprocess
import sys
import time
from types import SimpleNamespace
from typing import Any

import pytest

from engine.launch.devices import Device, DeviceProcess, list_devices, visible

pynvml = pytest.importorskip("pynvml")

GIB = 2**30


class Driver:
    """NVML's answers, as a driver with two cards gives them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, cards: int = 2) -> None:
        self.broken: set[int] = set()
        self.open = 0
        for name in dir(self):
            if name.startswith("nvml"):
                monkeypatch.setattr(pynvml, name, getattr(self, name))
        self.cards = cards

    def nvmlInit(self) -> None:
        self.open += 1

    def nvmlShutdown(self) -> None:
        self.open -= 1

    def nvmlDeviceGetCount(self) -> int:
        return self.cards

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        if index in self.broken:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
        return index

    def nvmlDeviceGetUUID(self, handle: int) -> str:
        return f"GPU-{handle}aaa"

    def nvmlDeviceGetName(self, handle: int) -> str:
        return "NVIDIA Toy"

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> Any:
        return SimpleNamespace(total=8 * GIB, used=2 * GIB)

    def nvmlDeviceGetUtilizationRates(self, handle: int) -> Any:
        return SimpleNamespace(gpu=40, memory=10)

    def nvmlDeviceGetTemperature(self, handle: int, sensor: int) -> int:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)

    def nvmlDeviceGetPowerUsage(self, handle: int) -> int:
        return 215_500  # milliwatts

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: int) -> int:
        if handle == 0:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return 7_250  # millijoules

    def nvmlDeviceGetProcessUtilization(self, handle: int, since: int) -> Any:
        if handle == 0:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)  # no program computed lately
        assert abs(since / 1e6 - (time.time() - 10)) < 60
        return [SimpleNamespace(pid=pid, smUtil=load) for pid, load in ((7, 40), (9, 5), (7, 60))]

    def nvmlDeviceGetComputeRunningProcesses(self, handle: int) -> Any:
        return [SimpleNamespace(pid=7, usedGpuMemory=GIB), SimpleNamespace(pid=8, usedGpuMemory=None)]


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Driver:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return Driver(monkeypatch)


def test_the_processor_is_always_there() -> None:
    cpu = next(iter(list_devices()))
    assert cpu.name == "cpu"
    assert "core" in cpu.description
    assert cpu.memory_total is not None
    assert cpu.memory_used is not None
    assert 0 < cpu.memory_used < cpu.memory_total


def test_cards_are_listed_with_what_they_do(driver: Driver) -> None:
    devices = list_devices()
    assert [one.name for one in devices] == ["cpu", "cuda:0", "cuda:1"]
    assert devices.problem is None
    assert devices.named("cuda:1") == Device(
        "cuda:1",
        "NVIDIA Toy",
        memory_total=8 * GIB,
        memory_used=2 * GIB,
        utilisation=40.0,
        temperature=None,
        power=215.5,
        energy=7.25,
        processes=(DeviceProcess(7, GIB, 50.0), DeviceProcess(8, None)),
        uuid="GPU-1aaa",
    )
    idle = devices.named("cuda:0")
    assert idle is not None
    assert (idle.power, idle.energy) == (215.5, None)
    assert idle.processes == (DeviceProcess(7, GIB), DeviceProcess(8, None))
    assert driver.open == 0


def test_a_card_that_cannot_be_read_says_so_and_hides_no_other(driver: Driver) -> None:
    driver.broken = {0}
    devices = list_devices()
    lost = devices.named("cuda:0")
    assert lost is not None
    assert lost.problem == "GPU is lost"
    assert lost.memory_total is None
    assert devices.named("cuda:1") is not None
    assert driver.open == 0


@pytest.mark.parametrize(
    ("code", "unreadable", "words"),
    [
        (pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, False, "no NVIDIA driver"),
        (pynvml.NVML_ERROR_DRIVER_NOT_LOADED, False, "driver does not answer"),
        (pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH, True, "driver does not answer"),
    ],
)
def test_no_driver_is_not_the_same_as_a_driver_that_does_not_answer(
    monkeypatch: pytest.MonkeyPatch, code: int, unreadable: bool, words: str
) -> None:
    def fail() -> None:
        raise pynvml.NVMLError(code)

    monkeypatch.setattr(pynvml, "nvmlInit", fail)
    devices = list_devices()
    assert [one.name for one in devices] == ["cpu"]
    assert devices.unreadable is unreadable
    assert devices.problem is not None
    assert words in devices.problem


def test_a_machine_with_a_driver_and_no_card(monkeypatch: pytest.MonkeyPatch) -> None:
    Driver(monkeypatch, cards=0)
    devices = list_devices()
    assert devices.gpus == ()
    assert devices.problem == "the NVIDIA driver knows no GPU"
    assert not devices.unreadable


CARDS = [Device(f"cuda:{n}", "toy", uuid=f"GPU-{'abc'[n]}{n}") for n in range(3)]


@pytest.mark.parametrize(
    ("variable", "expected"),
    [
        (None, "012"),
        ("", ""),
        ("1", "1"),
        ("2,0", "02"),
        (" 1 , 2 ", "12"),
        ("GPU-b", "1"),
        ("GPU-", ""),
        ("0,7,1", "0"),
        ("-1", ""),
        ("NoDevFiles", ""),
    ],
)
def test_what_cuda_would_hide_is_hidden_and_keeps_its_number(variable: str | None, expected: str) -> None:
    assert "".join(one.name[-1] for one in visible(CARDS, variable)) == expected


def test_hidden_cards_are_said_to_be_hidden(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert list_devices().problem == "CUDA_VISIBLE_DEVICES hides every GPU"
    assert not list_devices().unreadable


def test_launching_never_imports_torch_and_reads_the_driver_only_when_asked() -> None:
    code = (
        "import sys, engine.launch.scheduler, engine.launch.submit, engine.launch.devices;"
        "print([name for name in ('torch', 'numpy', 'pynvml', 'textual', 'alembic') if name in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


def test_a_warden_waits_without_the_database_in_its_memory() -> None:
    code = (
        "import sys, engine.launch.warden;"
        "print([name for name in ('sqlalchemy', 'db.session', 'psutil') if name in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"
