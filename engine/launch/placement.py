"""Which queued run starts on which device now, and why the others wait: a pure function of what is known.

Nothing is started on a guess: a GPU whose state cannot be read, or that another program fills, takes no run. A run
whose device this host does not have at all fails with that reason, because it would wait forever.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from db.records import RunRecord
from engine.config.device_names import gpu_names, rank_count
from engine.launch.devices import Device, DeviceList

DEFAULT_FREE_FRACTION = 0.5


@dataclass(frozen=True, slots=True)
class Limits:
    """What the user allows.

    Attributes:
        slots: Runs at a time by device, 1 where it names none; 0 closes a device.
        free_fraction: The share of a GPU's memory that must be free of other programs before a run is started on it.
    """

    slots: Mapping[str, int] = field(default_factory=dict)
    free_fraction: float = DEFAULT_FREE_FRACTION

    @classmethod
    def of(cls, slots: object, free_fraction: object) -> Limits:
        """Limits from settings, which may hold anything: what makes no sense counts as not set."""
        given = slots if isinstance(slots, Mapping) else {}
        fraction = free_fraction if isinstance(free_fraction, int | float) and 0 <= free_fraction <= 1 else None
        return cls(
            {str(device): n for device, n in given.items() if isinstance(n, int) and n >= 0},
            DEFAULT_FREE_FRACTION if fraction is None else float(fraction),
        )

    def slots_of(self, device: str) -> int:
        """How many runs at a time the device takes."""
        return self.slots.get(device, 1)


@dataclass(frozen=True, slots=True)
class Placement:
    """What to do with the queue now.

    Attributes:
        starts: Runs with the devices each starts on, in order.
        refused: Runs that can never start on this host, with the reason.
        waiting: The others' ids, each with what it waits for.
    """

    starts: tuple[tuple[RunRecord, tuple[Device, ...]], ...] = ()
    refused: tuple[tuple[RunRecord, str], ...] = ()
    waiting: Mapping[int, str] = field(default_factory=dict)


def place(
    queued: Iterable[RunRecord],
    active: Iterable[RunRecord],
    devices: DeviceList,
    limits: Limits,
    *,
    our_pids: Collection[int] = (),
    only_host: bool = True,
) -> Placement:
    """Choose devices for queued runs.

    Args:
        queued: Runs in the order in which they are to start.
        active: Runs of this host that have a device now.
        devices: This host's devices.
        limits: What the user allows.
        our_pids: Processes of our own runs: their GPU memory is not another program's.
        only_host: Whether no other host takes runs from this queue, so that a missing device will not come.
    """
    taken = Counter(name for run in active for name in (run.device or "").split(",") if name)
    starts: list[tuple[RunRecord, tuple[Device, ...]]] = []
    refused: list[tuple[RunRecord, str]] = []
    waiting: dict[int, str] = {}
    for run in queued:
        candidates, number, missing = _choice(run.config, devices)
        if missing:
            if only_host and not devices.unreadable:
                refused.append((run, missing))
            else:
                waiting[run.id] = missing
            continue
        free: list[Device] = []
        reasons: list[str] = []
        for device in sorted(candidates, key=lambda one: taken[one.name]):  # the emptiest first
            reason = _obstacle(device, taken[device.name], limits, our_pids)
            if reason is None:
                free.append(device)
            else:
                reasons.append(reason)
        if len(free) < number:
            ready = f"{len(free)} of the {number} devices that it needs are free: " if number > 1 else ""
            waiting[run.id] = ready + "; ".join(reasons)
            continue
        chosen = tuple(free[:number])
        taken.update(device.name for device in chosen)
        starts.append((run, tuple(sorted(chosen, key=lambda one: candidates.index(one)))))
    return Placement(tuple(starts), tuple(refused), waiting)


def _choice(config: Mapping[str, Any], devices: DeviceList) -> tuple[list[Device], int, str]:
    """The devices that would do, how many of them a run needs, and what to say if there are too few."""
    several = str(config.get("devices") or "1")
    if names := gpu_names(several):
        found = [_candidates(name, devices) for name in names]
        missing = next((reason for candidates, reason in found if not candidates), "")
        return [device for candidates, _ in found for device in candidates], len(names), missing
    candidates, missing = _candidates(str(config.get("device") or "auto"), devices)
    number = rank_count(several)
    if not candidates:
        return candidates, number, missing
    if not candidates[0].is_cuda:  # all processes of a run on the processor are on this one device
        return candidates, 1, ""
    if len(candidates) < number:
        has = ", ".join(device.name for device in candidates)
        return candidates, number, f"the run asks for {number} GPUs; this host has {has}"
    return candidates, number, ""


def _candidates(wanted: str, devices: DeviceList) -> tuple[list[Device], str]:
    """The devices that would do, and what to say if there is none."""
    because = f" ({devices.problem})" if devices.problem else ""
    if wanted == "auto":
        if devices.gpus:
            return list(devices.gpus), ""
        if devices.unreadable:
            return [], f"whether this host has a free GPU cannot be read{because}"
        wanted = "cpu"
    if wanted == "cuda":
        return list(devices.gpus), f"this host has no cuda device{because}"
    device = devices.named(wanted)
    if device is not None:
        return [device], ""
    return [], f"this host has no device {wanted}{because or f'; it has {_names(devices)}'}"


def _names(devices: DeviceList) -> str:
    return ", ".join(device.name for device in devices)


def _obstacle(device: Device, taken: int, limits: Limits, our_pids: Collection[int]) -> str | None:
    """Why no further run can start on the device now; None if one can."""
    slots = limits.slots_of(device.name)
    if slots == 0:
        return f"{device.name} is closed (0 slots)"
    if taken >= slots:
        return f"{device.name} is busy ({taken} of {slots} slot{'s' if slots != 1 else ''} taken)"
    if not device.is_cuda:
        return None
    if device.problem is not None or not device.memory_total or device.memory_used is None:
        return f"{device.name} cannot be read: {device.problem or 'the driver does not report its memory'}"
    ours = sum(one.memory or 0 for one in device.processes if one.pid in our_pids)
    free = (device.memory_total - max(device.memory_used - ours, 0)) / device.memory_total
    if free < limits.free_fraction:
        return (
            f"{device.name} is filled by another program "
            f"({free:.0%} of its memory is free, {limits.free_fraction:.0%} is asked for)"
        )
    return None
