"""What a run's process and its devices use at one moment, as the metrics of `db.history.declared.MACHINE_METRICS`."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from engine.launch.devices import Device, DeviceList, list_devices
from engine.launch.process_tree import ProcessTree
from engine.launch.processor_energy import ProcessorEnergy

__all__ = ["MachineUsage", "UsageReader"]

_GIB = 2**30


@dataclass(frozen=True, slots=True)
class MachineUsage:
    """One reading.

    Attributes:
        values: Metrics by name; what the platform does not say is missing.
        joules: What the run's devices used since the first reading; None where one of them does not say.
    """

    values: Mapping[str, float] = field(default_factory=dict)
    joules: float | None = None


class UsageReader:
    """Reads what a run uses; used by one thread at a time.

    Of several GPUs, the load is the mean, the temperature the highest, and everything else the sum. Power and energy
    are those of the whole devices, with what other programs use: of the GPUs, or of the processors where a run has no
    GPU.

    Args:
        devices: The names of the run's devices.
        pid: The run's process; by default this one.
        probe: Reads the devices; passed in by tests.
        clock: Monotonic seconds; passed in by tests.
        processors: Counts the energy of the processors; passed in by tests.
    """

    def __init__(
        self,
        devices: Sequence[str],
        pid: int | None = None,
        *,
        probe: Callable[[], DeviceList] = list_devices,
        clock: Callable[[], float] = time.monotonic,
        processors: ProcessorEnergy | None = None,
    ) -> None:
        self._names = tuple(devices)
        self._tree = ProcessTree(os.getpid() if pid is None else pid, clock)
        self._probe = probe
        self._clock = clock
        self._processors = ProcessorEnergy() if processors is None else processors
        self._meters: dict[str, _Meter] = {}
        self._first = True

    def __call__(self) -> MachineUsage:
        """Read everything now; never raises where something cannot be read."""
        found, now = self._probe(), self._clock()
        tree = self._tree.read()
        host = found.named("cpu")
        gpus = self._gpus(found)
        values: dict[str, float | None] = {
            "process_cpu": tree.cores,
            "process_memory": _gib(tree.memory),
            "host_memory": None if host is None else _gib(host.memory_used),
            # psutil counts it from its last call: the first one tells nothing.
            "host_cpu": None if host is None or self._first else _share(host.utilisation),
        }
        self._first = False
        if gpus:
            own = [[one for one in gpu.processes if one.pid in tree.pids] for gpu in gpus]
            loads = [_sum(one.utilisation for one in there) for there in own]
            values |= {
                "process_gpu_load": _share(_mean(loads)),
                "gpu_load": _share(_mean([gpu.utilisation for gpu in gpus])),
                "process_gpu_memory": _gib(_sum(_sum(one.memory for one in there) for there in own)),
                "gpu_memory": _gib(_sum(gpu.memory_used for gpu in gpus)),
                "gpu_temperature": max((gpu.temperature for gpu in gpus if gpu.temperature is not None), default=None),
            }
            counted = [(gpu.name, gpu.power, gpu.energy) for gpu in gpus]
        elif self._names == ("cpu",):
            counted = [("cpu", None, self._processors.read())]
        else:
            counted = []
        meters = [self._meters.setdefault(name, _Meter()) for name, _, _ in counted]
        for meter, (_, power, energy) in zip(meters, counted, strict=True):
            meter.read(now, power, energy)
        values["device_power"] = _sum(meter.power for meter in meters)
        known = {name: float(value) for name, value in values.items() if value is not None}
        return MachineUsage(known, _sum(meter.joules for meter in meters))

    def _gpus(self, found: DeviceList) -> list[Device]:
        """The run's GPUs, all of them or none; where only one is visible, that is the one."""
        wanted = [name for name in self._names if name.startswith("cuda")]
        gpus = [gpu for gpu in map(found.named, wanted) if gpu is not None]
        if len(wanted) == len(found.gpus) == 1:
            return list(found.gpus)
        return gpus if len(gpus) == len(wanted) else []


class _Meter:
    """What one device draws, and what it used since the first reading; None is what is not known."""

    def __init__(self) -> None:
        self.power: float | None = None
        self.joules: float | None = None
        self._last: tuple[float, float | None, float | None] | None = None

    def read(self, now: float, power: float | None, energy: float | None) -> None:
        """Take what the device says: watts now, joules since some moment."""
        before, self._last = self._last, (now, power, energy)
        used = None
        if before is not None and now > before[0]:
            seconds = now - before[0]
            if energy is not None and before[2] is not None and energy >= before[2]:
                used = energy - before[2]  # which misses nothing between two readings
                power = used / seconds if power is None else power
            elif power is not None and before[1] is not None:
                used = (power + before[1]) / 2 * seconds
        self.power = power
        if used is not None:
            self.joules = (self.joules or 0.0) + used


def _gib(number: float | None) -> float | None:
    return None if number is None else number / _GIB


def _share(percent: float | None) -> float | None:
    return None if percent is None else percent / 100


def _sum(values: Iterable[float | None]) -> float | None:
    """The sum; None where a part of it is not known, or there is none."""
    parts = list(values)
    known = [value for value in parts if value is not None]
    return sum(known) if known and len(known) == len(parts) else None


def _mean(values: Sequence[float | None]) -> float | None:
    total = _sum(values)
    return None if total is None else total / len(values)
