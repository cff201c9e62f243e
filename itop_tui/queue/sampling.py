"""Looks at the devices of this host every two seconds, and keeps what was seen for some minutes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain, repeat
from typing import TYPE_CHECKING

from itop_tui.service.watcher import Watcher

if TYPE_CHECKING:
    from engine.launch.devices import Device, DeviceList

EVERY = 2.0
"""Seconds between two samples."""
_FIRST = 0.3
"""Seconds before the second sample: the first one can tell no load of the processor, which is a difference."""
KEPT = 120
"""How many samples are kept: four minutes."""

Probe = Callable[[], "DeviceList"]
"""Reads the devices; blocks while it does, and never raises."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program that holds memory of a GPU: one of our runs, or somebody else's."""

    pid: int
    name: str
    """What it is called; empty where that cannot be seen from here (in a container, for one)."""
    memory: int | None
    """Bytes it holds; None where the driver does not say."""


@dataclass(frozen=True, slots=True)
class DeviceSample:
    """The devices at one moment, and the programs on each, the largest first."""

    devices: DeviceList
    programs: Mapping[str, tuple[Program, ...]] = field(default_factory=dict)


@dataclass(slots=True)
class DeviceTrack:
    """What one device did over the last minutes, oldest first: shares between 0 and 1, and degrees Celsius.

    None is what could not be read; `seen` counts the samples that are no longer kept too.
    """

    load: deque[float | None] = field(default_factory=lambda: deque(maxlen=KEPT))
    memory: deque[float | None] = field(default_factory=lambda: deque(maxlen=KEPT))
    temperature: deque[float | None] = field(default_factory=lambda: deque(maxlen=KEPT))
    seen: int = 0

    def add(self, device: Device, *, load_known: bool) -> None:
        """Keep what was read of the device."""
        self.seen += 1
        load = device.utilisation if load_known else None
        self.load.append(None if load is None else load / 100)
        known = device.memory_used is not None and device.memory_total
        self.memory.append((device.memory_used or 0) / (device.memory_total or 1) if known else None)
        self.temperature.append(device.temperature)


class DeviceTracks:
    """The tracks of all devices."""

    def __init__(self) -> None:
        self._tracks: dict[str, DeviceTrack] = {}
        self._samples = 0

    def of(self, device: str) -> DeviceTrack:
        """The track of a device; an empty one for a device that was not seen."""
        return self._tracks.get(device) or DeviceTrack()

    def add(self, devices: Iterable[Device]) -> None:
        """Keep a sample."""
        self._samples += 1
        for device in devices:
            # psutil counts the processor's load from its last call: the first one tells nothing.
            known = device.is_cuda or self._samples > 1
            self._tracks.setdefault(device.name, DeviceTrack()).add(device, load_known=known)


def programs(devices: Iterable[Device]) -> dict[str, tuple[Program, ...]]:
    """The programs on each GPU that has any, the largest first."""
    found = {
        device.name: sorted(
            (Program(one.pid, _name(one.pid), one.memory) for one in device.processes),
            key=lambda one: -(one.memory or 0),
        )
        for device in devices
    }
    return {name: tuple(there) for name, there in found.items() if there}


def _name(pid: int) -> str:
    import psutil

    try:
        return str(psutil.Process(pid).name())
    except psutil.Error:
        return ""


def device_watcher(probe: Probe, post: Callable[[DeviceSample], object]) -> Watcher:
    """A watcher that reads the devices every two seconds; `post` gets each sample, in the watcher's thread."""
    pauses = chain([_FIRST], repeat(EVERY))

    def look() -> float:
        devices = probe()
        post(DeviceSample(devices, programs(devices)))
        return next(pauses)

    return Watcher(look, name="itop-devices")
