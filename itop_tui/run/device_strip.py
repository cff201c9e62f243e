"""What the device of a running run does now: load with a little history, memory, temperature; and the run's process.

Read every two seconds in a thread, and only where the run's process is on this host; for another host the strip shows
what the run recorded last.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text
from textual.message import Message
from textual.reactive import reactive

from db.records import RunRecord
from itop_tui.figures.format import plain, size
from itop_tui.look.toned import Part, Toned
from itop_tui.queue.sampling import EVERY
from itop_tui.service.watcher import Watcher

if TYPE_CHECKING:
    from engine.launch.process_tree import ProcessTree, TreeUsage

_TALL = 30
_HISTORY = 24
_LEVELS = "▁▂▃▄▅▆▇█"
_HOT = 85.0
"""Degrees from which on a GPU slows itself down, or is about to."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one device and the run's process did at one moment; None is what could not be read.

    Attributes:
        device: Its name.
        load: Per cent of the time it was busy.
        used: Bytes of its memory in use.
        total: Bytes of its memory.
        temperature: Degrees Celsius.
        process_memory: Bytes of the host's memory that the run's process holds.
        process_device_memory: Bytes of the device's memory that it holds.
        process_load: Per cent of one core that it uses.
        problem: Why nothing could be read.
    """

    device: str
    load: float | None = None
    used: int | None = None
    total: int | None = None
    temperature: float | None = None
    process_memory: int | None = None
    process_device_memory: int | None = None
    process_load: float | None = None
    problem: str | None = None


class Prober:
    """Reads devices and one process with all that it started, whose load is measured since the last look."""

    def __init__(self) -> None:
        self._tree: ProcessTree | None = None

    def __call__(self, names: Sequence[str], pid: int | None) -> list[Reading]:
        """Read the devices of these names; never raises."""
        from engine.launch.devices import list_devices

        found, usage = list_devices(), self._of_process(pid)
        load = None if usage.cores is None else 100 * usage.cores
        readings = []
        for name in names:
            device = found.named(name)
            if device is None:
                readings.append(Reading(name, problem=found.problem or "there is no such device here"))
                continue
            own = [one.memory for one in device.processes if one.pid in usage.pids and one.memory is not None]
            readings.append(
                Reading(name, device.utilisation, device.memory_used, device.memory_total, device.temperature,
                        usage.memory, sum(own) if own else None, load, device.problem)
            )  # fmt: skip
        return readings

    def _of_process(self, pid: int | None) -> TreeUsage:
        from engine.launch.process_tree import ProcessTree, TreeUsage

        if pid is None:
            return TreeUsage()
        if self._tree is None or self._tree.pid != pid:
            self._tree = ProcessTree(pid)
        return self._tree.read()


def recorded_parts(metrics: Mapping[str, float]) -> list[Part]:
    """What a run recorded last of its machine, for where that cannot be read; empty where it recorded nothing."""
    known = [(name, write) for name, write in _RECORDED.items() if math.isfinite(metrics.get(name, math.nan))]
    return [(", ".join(write(metrics[name]) for name, write in known), "text")] if known else []


_RECORDED: Mapping[str, Callable[[float], str]] = {
    "process_cpu": lambda value: f"{100 * value:.0f}% of a core",
    "process_memory": lambda value: f"{value:.1f} GiB of memory",
    "gpu_load": lambda value: f"GPU {100 * value:.0f}%",
    "gpu_memory": lambda value: f"{value:.1f} GiB in use on it",
    "gpu_temperature": lambda value: f"{value:.0f} °C",
    "device_power": lambda value: f"{value:.0f} W",
}
"""What is shown of the metrics that a run records of its machine, in this order."""


def strip_parts(reading: Reading, loads: Sequence[float | None]) -> list[Part]:
    """What is shown of one device."""
    parts: list[Part] = [(f"{reading.device} ", "muted")]
    if reading.problem is not None and reading.load is None:
        return [*parts, (f"cannot be read: {plain(reading.problem, 100)}", "warn")]
    if reading.load is not None:
        history = "".join(" " if load is None else _LEVELS[min(7, int(max(load, 0.0) / 12.5))] for load in loads)
        parts += [(history, "live"), (f" {reading.load:.0f}%", "text")]
    if reading.used is not None and reading.total:
        parts += [("  memory ", "muted"), (f"{size(reading.used)} of {size(reading.total)}", "text")]
    if reading.temperature is not None:
        parts.append((f"  {reading.temperature:.0f} °C", "bad" if reading.temperature >= _HOT else "text"))
    own = []
    if reading.process_device_memory is not None:
        own.append(f"{size(reading.process_device_memory)} on it")
    if reading.process_memory is not None:
        own.append(f"{size(reading.process_memory)} of memory")
    if reading.process_load is not None:
        own.append(f"{reading.process_load:.0f}% of a core")
    if own:
        parts += [("  this run ", "muted"), (", ".join(own), "text")]
    return parts


class DeviceStrip(Toned):
    """One line a device while the run has a process; nothing otherwise."""

    DEFAULT_CSS = (
        "DeviceStrip { height: auto; padding: 0 1; display: none; text-wrap: nowrap; text-overflow: ellipsis; }"
    )
    readings: reactive[tuple[Reading, ...]] = reactive((), layout=True)
    """What was read last."""
    elsewhere: reactive[str] = reactive("")
    """The host the run is on, where that is another one."""
    recorded: reactive[tuple[Part, ...]] = reactive(())
    """What the run recorded last of its machine, where that is another one."""

    class DevicesRead(Message):
        """The devices were read."""

        def __init__(self, readings: list[Reading]) -> None:
            self.readings = readings
            super().__init__()

    def __init__(self) -> None:
        super().__init__()
        self._probe = Prober()
        self._loads: dict[str, deque[float | None]] = {}
        self._watched: tuple[tuple[str, ...], int | None] | None = None
        self._watcher: Watcher | None = None

    def on_unmount(self) -> None:
        """End the thread."""
        self._watch(None)

    def watch_run(self, run: RunRecord, host: str) -> None:
        """Look at the devices of this run while it has a process on `host`."""
        working = run.status.is_active and bool(run.device)
        self.elsewhere = plain(run.host or "another host", 60) if working and run.host != host else ""
        self.recorded = tuple(recorded_parts(run.metrics)) if self.elsewhere else ()
        # The head names the host: where lines are dear, that is enough.
        self.display = working and (not self.elsewhere or self.screen.size.height >= _TALL)
        if not working or self.elsewhere:
            self._watch(None)
        else:
            self._watch((tuple((run.device or "").split(",")), run.pid))

    def _watch(self, watched: tuple[tuple[str, ...], int | None] | None) -> None:
        """Read these devices and this process from now on, or nothing."""
        if watched == self._watched:
            return
        if self._watcher is not None:
            self._watcher.stop()
        self._watched, self._watcher = watched, None
        if watched is not None:
            probe, post = self._probe, self.post_message

            def look() -> None:
                post(DeviceStrip.DevicesRead(probe(*watched)))

            self._watcher = Watcher(look, name="itop-run-devices", every=EVERY)
            self._watcher.start()

    def on_device_strip_devices_read(self, message: DevicesRead) -> None:
        """Show what was read."""
        message.stop()
        for reading in message.readings:
            self._loads.setdefault(reading.device, deque(maxlen=_HISTORY)).append(reading.load)
        self.readings = tuple(message.readings)

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        """A line a device."""
        return max(1, len(self.readings))

    def render(self) -> Text:
        """Draw the lines."""
        if self.elsewhere and self.recorded:
            return self.toned([(f"on host {self.elsewhere}, recorded last  ", "muted"), *self.recorded])
        if self.elsewhere:
            return self.toned([(f"on host {self.elsewhere}: its devices cannot be read from here", "muted")])
        if not self.readings:
            return self.toned([("reading the device …", "muted")])
        lines = [self.toned(strip_parts(each, tuple(self._loads.get(each.device, ())))) for each in self.readings]
        return Text("\n", end="", no_wrap=True, overflow="ellipsis").join(lines)
