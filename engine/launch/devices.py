"""What this machine computes on: its processor, and its NVIDIA GPUs through NVML, with what they are doing now.

GPUs are numbered as `nvidia-smi` numbers them, whatever CUDA_VISIBLE_DEVICES says; that variable only hides some. A
worker sees its GPU by its UUID, so no other ordering can put it on a neighbour.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class DeviceProcess:
    """A program that holds memory of a GPU.

    Attributes:
        pid: Its number, in the namespace the driver sees.
        memory: Bytes it holds, None where the driver does not say (in a container, for one).
        utilisation: Percent of the time that the GPU computed for it lately, None where the driver does not say.
    """

    pid: int
    memory: int | None
    utilisation: float | None = None


@dataclass(frozen=True, slots=True)
class Device:
    """One device and its state at the moment it was asked.

    Attributes:
        name: "cpu" or "cuda:N", N as nvidia-smi counts.
        description: What it is, "NVIDIA H100 80GB HBM3" for one.
        memory_total: Bytes, None if it could not be read.
        memory_used: Bytes, None if it could not be read.
        utilisation: Percent of the time it was busy lately, None if not known.
        temperature: Degrees Celsius, None if not known.
        power: Watts it draws now, None if not known (GPUs only).
        energy: Joules it used since its driver was loaded, None where it does not count them (GPUs only).
        processes: Who computes on it (GPUs only).
        uuid: The driver's own name for a GPU.
        problem: Why its state could not be read, None if it could.
    """

    name: str
    description: str
    memory_total: int | None = None
    memory_used: int | None = None
    utilisation: float | None = None
    temperature: float | None = None
    power: float | None = None
    energy: float | None = None
    processes: tuple[DeviceProcess, ...] = ()
    uuid: str | None = None
    problem: str | None = None

    @property
    def is_cuda(self) -> bool:
        """Whether it is a GPU."""
        return self.name.startswith("cuda")


@dataclass(frozen=True, slots=True)
class DeviceList:
    """The devices of this machine, the processor first; iterate over it.

    Attributes:
        devices: One entry a device.
        problem: Why there is no GPU among them, or why the GPUs could not be read; None if they were.
        unreadable: Whether there are GPUs here, or may be, that the driver does not report. Nothing must be
            started on the guess that they are free, or absent.
    """

    devices: tuple[Device, ...]
    problem: str | None = None
    unreadable: bool = False

    def __len__(self) -> int:
        return len(self.devices)

    def __iter__(self) -> Iterator[Device]:
        return iter(self.devices)

    @property
    def gpus(self) -> tuple[Device, ...]:
        """The GPUs alone."""
        return tuple(device for device in self.devices if device.is_cuda)

    def named(self, name: str) -> Device | None:
        """The device of this name, or None."""
        return next((device for device in self.devices if device.name == name), None)


def list_devices() -> DeviceList:
    """Everything this machine computes on, read now.

    Never raises: what cannot be read is None in the device, and `problem` says why.
    """
    gpus, problem, unreadable = _list_gpus()
    return DeviceList((_cpu(), *gpus), problem, unreadable)


def visible_gpus(names: str, devices: DeviceList | None) -> str:
    """What CUDA_VISIBLE_DEVICES must be for the GPUs of an attempt to be all there are: UUIDs, else numbers.

    A UUID does not depend on the order in which CUDA counts.

    Args:
        names: The attempt's devices, with commas between; empty is the answer for `cpu`.
        devices: This host's devices.
    """
    found = [(name, None if devices is None else devices.named(name)) for name in names.split(",")]
    return ",".join((device.uuid if device else None) or name.partition(":")[2] for name, device in found)


def _cpu() -> Device:
    import psutil

    memory = psutil.virtual_memory()
    return Device(
        "cpu",
        _cpu_description(),
        memory_total=int(memory.total),
        memory_used=int(memory.total - memory.available),
        utilisation=float(psutil.cpu_percent(None)),  # since the last call in this process; 0 at the first
    )


@cache
def _cpu_description() -> str:
    name = ""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    except OSError:
        name = platform.processor()
    cores = usable_cores()
    return f"{name or platform.machine()}, {cores} core{'s' if cores != 1 else ''}"


def usable_cores() -> int:
    """How many cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _list_gpus() -> tuple[list[Device], str | None, bool]:
    try:
        import pynvml
    except ImportError:
        return [], "the package nvidia-ml-py is not installed", False
    nvml: Any = pynvml  # its functions carry no types
    try:
        nvml.nvmlInit()
    except pynvml.NVMLError as error:
        code = getattr(error, "value", None)
        if code == pynvml.NVML_ERROR_LIBRARY_NOT_FOUND:
            return [], "no NVIDIA driver library (libnvidia-ml)", False
        # A driver that is installed and not loaded serves no process; one that answers anything else has GPUs in use.
        unreadable = code != pynvml.NVML_ERROR_DRIVER_NOT_LOADED
        return [], f"the NVIDIA driver does not answer: {error}", unreadable
    try:
        count = int(nvml.nvmlDeviceGetCount())
        gpus = [_gpu(nvml, index) for index in range(count)]
    except pynvml.NVMLError as error:
        return [], f"the NVIDIA driver does not report its devices: {error}", True
    finally:
        nvml.nvmlShutdown()
    if not gpus:
        return [], "the NVIDIA driver knows no GPU", False
    shown = visible(gpus, os.environ.get("CUDA_VISIBLE_DEVICES"))
    return shown, None if shown else "CUDA_VISIBLE_DEVICES hides every GPU", False


def _gpu(pynvml: Any, index: int) -> Device:
    """Read one GPU; raises NVMLError only where not even its name can be had."""
    name = f"cuda:{index}"
    try:
        handle = pynvml.nvmlDeviceGetHandleByIndex(index)
        uuid = _text(pynvml.nvmlDeviceGetUUID(handle))
        description = _text(pynvml.nvmlDeviceGetName(handle))
        memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    except pynvml.NVMLError as error:
        # The card is there and cannot be read (fallen off the bus, say): listed, and never started on.
        return Device(name, "unreadable GPU", problem=str(error))

    def optional(read: Any) -> Any:
        try:
            return read()
        except pynvml.NVMLError:  # not every card has a thermometer or reports its load
            return None

    load = optional(lambda: pynvml.nvmlDeviceGetUtilizationRates(handle))
    temperature = optional(lambda: pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU))
    power = optional(lambda: pynvml.nvmlDeviceGetPowerUsage(handle))
    energy = optional(lambda: pynvml.nvmlDeviceGetTotalEnergyConsumption(handle))
    processes = optional(lambda: pynvml.nvmlDeviceGetComputeRunningProcesses(handle))
    loads = _loads(optional(lambda: pynvml.nvmlDeviceGetProcessUtilization(handle, _lately())))
    return Device(
        name,
        description,
        memory_total=int(memory.total),
        memory_used=int(memory.used),
        utilisation=None if load is None else float(load.gpu),
        temperature=None if temperature is None else float(temperature),
        power=None if power is None else power / 1_000,
        energy=None if energy is None else energy / 1_000,
        processes=tuple(
            DeviceProcess(
                int(one.pid),
                None if one.usedGpuMemory is None else int(one.usedGpuMemory),
                loads.get(int(one.pid)),
            )
            for one in processes or ()
        ),
        uuid=uuid,
    )


_LATELY_SECONDS = 10


def _lately() -> int:
    """From when on a program's load counts, in the driver's microseconds."""
    return int((time.time() - _LATELY_SECONDS) * 1e6)


def _loads(samples: Iterable[Any] | None) -> dict[int, float]:
    """The mean load of each program, by its pid; the driver takes several samples a second."""
    found: dict[int, list[float]] = {}
    for sample in samples or ():
        found.setdefault(int(sample.pid), []).append(float(sample.smUtil))
    return {pid: sum(loads) / len(loads) for pid, loads in found.items()}


def _text(value: str | bytes) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def visible(gpus: Iterable[Device], variable: str | None) -> list[Device]:
    """Those GPUs that CUDA_VISIBLE_DEVICES leaves visible, in the driver's order.

    Args:
        gpus: All GPUs, by index.
        variable: The variable's value: None shows all, "" none; else indices or beginnings of UUIDs, of which CUDA
            ignores the first unknown one and all after it.
    """
    everything = list(gpus)
    if variable is None:
        return everything
    wanted: set[str] = set()
    for part in (text.strip() for text in variable.split(",")):
        if part.isdecimal():
            matches = [gpu for gpu in everything if gpu.name == f"cuda:{int(part)}"]
        else:
            matches = [gpu for gpu in everything if part and gpu.uuid and gpu.uuid.startswith(part)]
        if len(matches) != 1:
            break
        wanted.add(matches[0].name)
    return [gpu for gpu in everything if gpu.name in wanted]
