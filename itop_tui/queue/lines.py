"""The lines of the queue's screen: devices with what they do and what runs on them, then the queue. Text, no widget.

`lay_out` names the lines, which is cheap however long the queue; one of them is drawn only where it is visible.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from rich.cells import cell_len

from db.records import RunRecord
from engine.launch.devices import Device, DeviceList
from itop_tui.figures import run_view
from itop_tui.figures.format import UNKNOWN, age_of, fit, plural, rate, size
from itop_tui.look.toned import Part
from itop_tui.queue.queue_state import QueueState, devices_of
from itop_tui.queue.sampling import KEPT, DeviceSample, DeviceTrack, DeviceTracks, Program

WIDE, HUGE = 105, 155
"""Cells from which on a device has two lines and runs more columns, and from which on there are still more."""
_LEVELS = "▁▂▃▄▅▆▇█"
_HOT = 85.0
"""Degrees from which on a GPU slows itself down, or is about to."""
_LOWEST_TEMPERATURE, _HIGHEST_TEMPERATURE = 20.0, 100.0
_MOST_STRANGERS = 3

Key = tuple[Literal["device", "run"], str | int]
"""What the cursor can be on: a device by its name, or a run by its id."""


@dataclass(slots=True)
class QueueScene:
    """What the lines show: the queue, the devices as they were read last, and what they did over the last minutes."""

    now: float = 0.0
    state: QueueState = field(default_factory=QueueState)
    sample: DeviceSample | None = None
    tracks: DeviceTracks = field(default_factory=DeviceTracks)


@dataclass(frozen=True, slots=True)
class QueueLine:
    """A line of the screen.

    Attributes:
        draw: What stands in it, behind the cursor's edge and the selection mark, in so many cells.
        run: The run it shows; None also where that has not been read yet.
        device: The name of the device it shows.
        run_id: The run it shows, read or not.
        place: Its place in the queue, from 0.
    """

    draw: Callable[[QueueScene, int], list[Part]]
    run: RunRecord | None = None
    device: str | None = None
    run_id: int | None = None
    place: int | None = None

    @property
    def key(self) -> Key | None:
        """What the cursor is on at this line; None where it cannot be."""
        if self.run_id is not None:
            return "run", self.run_id
        return None if self.device is None else ("device", self.device)


# ----------------------------------------------------------------------------------------------------- which lines


def lay_out(scene: QueueScene, width: int) -> list[QueueLine]:
    """The lines from top to bottom."""
    state = scene.state
    return [*_here(scene, width), *_elsewhere(state), *_queue(state)]


def _here(scene: QueueScene, width: int) -> list[QueueLine]:
    state, sample = scene.state, scene.sample
    mine = [run for run in state.active if state.is_here(run)]
    if sample is None or not state.host:  # nor is it known then which programs are ours
        return [_heading("devices"), _say("reading the devices …"), *map(active_line, mine)]
    lines: list[QueueLine] = [_heading(f"devices of {state.host}")]
    ours = {run.pid for run in mine}
    shown: set[int] = set()
    for device in sample.devices:
        lines.append(QueueLine(partial(_device, device), device=device.name))
        if width >= WIDE and device.problem is None:
            lines.append(QueueLine(partial(_does, device)))
        others = tuple(one for one in sample.programs.get(device.name, ()) if one.pid not in ours)
        if others:
            lines.append(_note(*_strangers(others)))
        for run in mine:
            if device.name in devices_of(run):
                if run.id in shown:
                    lines.append(_say(f"run {run.id} holds it too"))
                else:
                    lines.append(active_line(run))
                    shown.add(run.id)
    lines += [active_line(run) for run in mine if run.id not in shown]
    lines += _about_gpus(sample.devices)
    return lines


def _about_gpus(devices: DeviceList) -> list[QueueLine]:
    if devices.problem is None:
        return []
    if devices.unreadable:
        problem = f"! GPUs cannot be read, so nothing is started on them: {devices.problem}"
        return [_note((f"  {problem}", "warn"))]
    return [_say(f"no GPU: {devices.problem}" if not devices.gpus else devices.problem)]


def _elsewhere(state: QueueState) -> list[QueueLine]:
    lines: list[QueueLine] = []
    others = [run for run in state.active if not state.is_here(run)]
    hosts = sorted({run.host or "" for run in others})
    for host in hosts:
        lines += [_note(), _heading(f"on host {host}, whose devices cannot be read from here")]
        lines += [active_line(run) for run in others if (run.host or "") == host]
    return lines


def _queue(state: QueueState) -> list[QueueLine]:
    if not state.host:
        return [_note(), _heading("queue"), _say("reading the queue …")]
    if not state.listed:
        return [_note(), _heading("queue"), _say("Queue is empty")]
    counted = plural(state.queued, "run")
    if state.held:
        counted += f", {state.held} held"
    lines = [_note(), _note(("queue", "title"), (f"  {counted}, in the order of their start", "muted"))]
    read = {run.id: run for run in state.waiting}
    for place, run_id in enumerate(state.listed):
        run = read.get(run_id)
        draw = partial(_unread, run_id, place) if run is None else partial(_waiting, run, place)
        lines.append(QueueLine(draw, run, run_id=run_id, place=place))
    if state.queued > len(state.listed):
        lines.append(_say(f"and {state.queued - len(state.listed):,} more"))
    return lines


def _note(*parts: Part) -> QueueLine:
    """A line that says something: a heading, or what there is none of."""
    return QueueLine(lambda scene, width: list(parts))


def _heading(text: str) -> QueueLine:
    return _note((text, "title"))


def _say(text: str) -> QueueLine:
    return _note((f"  {text}", "muted"))


def active_line(run: RunRecord) -> QueueLine:
    """The line of a run that has a device."""
    return QueueLine(partial(_active, run), run, run_id=run.id)


# ------------------------------------------------------------------------------------------------------ drawing one


def _device(device: Device, scene: QueueScene, width: int) -> list[Part]:
    taken, slots = scene.state.taken(device.name), scene.state.slots_of(device.name)
    parts: list[Part] = [(fit(device.name, 8), "title")]
    closed = slots == 0
    words = "closed" if closed else f"{taken} of {slots}"
    if width < WIDE:
        parts.append((fit(words, 8), "warn" if closed else "text"))
        if device.problem is None:
            return [*parts, *_figures(device, scene, spark=8)]
        return [*parts, (f"cannot be read: {device.problem}", "warn")]
    words = "closed: 0 slots" if closed else f"{words} slot{'s' if slots != 1 else ''} taken"
    parts.append((fit(words, 20), "warn" if closed else "text"))
    if device.problem is not None:
        return [*parts, (f"cannot be read, so nothing is started on it: {device.problem}", "warn")]
    return [*parts, (device.description, "muted")]


def _does(device: Device, scene: QueueScene, width: int) -> list[Part]:
    return [(" " * 8, "text"), *_figures(device, scene, spark=16 if width < HUGE else 34, all_tracks=True)]


def _figures(device: Device, scene: QueueScene, *, spark: int, all_tracks: bool = False) -> list[Part]:
    """Load, memory and temperature, with what they were over the last minutes."""
    track = scene.tracks.of(device.name)
    load = track.load[-1] if track.load else None
    parts: list[Part] = [("load ", "muted"), (history(track.load, 1.0, spark, track.seen), "live")]
    parts.append((f" {UNKNOWN:>4}  " if load is None else f" {load:>4.0%}  ", "text"))
    parts.append(("memory ", "muted"))
    if all_tracks:
        parts.append((history(track.memory, 1.0, spark, track.seen) + " ", "live"))
    if device.memory_used is None or not device.memory_total:
        parts.append((f"{UNKNOWN}  ", "text"))
    else:
        parts.append((f"{size(device.memory_used)} of {size(device.memory_total)}  ", "text"))
    return parts + _temperature(device, track, spark if all_tracks else 0)


def _temperature(device: Device, track: DeviceTrack, spark: int) -> list[Part]:
    if device.temperature is None:
        return []
    hot = device.temperature >= _HOT
    shown: Part = (f"{device.temperature:.0f} °C{' hot' if hot else ''}", "bad" if hot else "text")
    if not spark:
        return [shown]
    span = _HIGHEST_TEMPERATURE - _LOWEST_TEMPERATURE
    above = [None if value is None else max(0.0, value - _LOWEST_TEMPERATURE) for value in track.temperature]
    return [("temperature ", "muted"), (history(above, span, spark, track.seen) + " ", "live"), shown]


def _strangers(found: Sequence[Program]) -> list[Part]:
    named = [
        f"{one.name or 'a program that cannot be seen from here'} (pid {one.pid}"
        + (f", {size(one.memory)})" if one.memory is not None else ")")
        for one in found[:_MOST_STRANGERS]
    ]
    more = f" and {len(found) - _MOST_STRANGERS} more" if len(found) > _MOST_STRANGERS else ""
    return [("        of others: ", "warn"), (", ".join(named) + more, "text")]


def _active(run: RunRecord, scene: QueueScene, width: int) -> list[Part]:
    parts: list[Part] = run_view.state_cell(run, scene.now, 14)
    parts += _named(run, width)
    room = max(12, width - _length(parts) - 10)
    parts += run_view.progress_parts(run, scene.now, room)
    speed = run.samples_per_second if run.status == "running" else None
    parts.append((fit(rate(speed), 10, right=True), "muted"))
    return parts


def _waiting(run: RunRecord, place: int, scene: QueueScene, width: int) -> list[Part]:
    parts: list[Part] = [(f"{place + 1:>3}  ", "muted")]
    parts += run_view.state_cell(run, scene.now, 9)
    parts += _named(run, width)
    priority = f"{run.priority:+d}" if run.priority else ""
    if width < WIDE:
        parts.append((fit(priority, 4), "accent"))
    else:
        parts.append((fit(f"priority {priority}" if priority else "", 13), "accent"))
        parts.append((fit(age_of(run.queued_at, scene.now), 4, right=True) + "  ", "muted"))
    if width >= HUGE:
        parts.append((fit(f"wants {run.config.get('device') or 'auto'}", 14), "muted"))
    reason = fit(scene.state.reasons.get(run.id, ""), max(0, width - _length(parts)))
    parts.append((reason, "warn" if run.held else "text"))
    return parts


def _unread(run_id: int, place: int, scene: QueueScene, width: int) -> list[Part]:
    return [(f"{place + 1:>3}  {'':9}{fit(str(run_id), 5, right=True)}  …", "muted")]


def _named(run: RunRecord, width: int) -> list[Part]:
    """Id and name of a run, and what it is where there is room."""
    parts: list[Part] = [(fit(str(run.id), 5, right=True) + "  ", "muted")]
    room = 18 if width < WIDE else 26 if width < HUGE else 44
    parts.append((run_view.name(run, room) + "  ", "title"))
    if width >= WIDE:
        parts.append((fit(run_view.method(run), 10) + "  ", "muted"))
    if width >= HUGE:
        parts.append((fit(f"{run.model} {run.data}", 24) + "  ", "muted"))
    return parts


def _length(parts: Sequence[Part]) -> int:
    return sum(cell_len(text) for text, _ in parts)


def history(values: Sequence[float | None], top: float, width: int, seen: int) -> str:
    """Draw the last minutes in one line on a scale from 0 to `top`: the newest at the right, in exactly `width` cells.

    A cell shows the largest of the values it stands for; where none of them is known it is a gap. How many values were
    ever `seen` keeps a value in its cell while others come.
    """
    if width <= 0:
        return ""
    each = math.ceil(KEPT / width)
    cells: dict[int, list[float]] = {}
    for number, value in enumerate(values, start=seen - len(values)):
        known = cells.setdefault(number // each, [])
        if value is not None:
            known.append(value)
    drawn = "".join(
        _LEVELS[max(0, min(len(_LEVELS) - 1, int(max(known) / top * len(_LEVELS))))] if known else " "
        for known in cells.values()
    )
    return drawn[-width:].rjust(width)


def status(state: QueueState, sample: DeviceSample | None) -> list[Part]:
    """The line above: the scheduler, the slots, and how many runs are queued."""
    if not state.host:
        return [("reading the queue …", "muted")]
    ready = state.queued - state.held
    if state.scheduler:
        parts: list[Part] = [("✓ the scheduler is running", "good")]
    elif ready:
        parts = [("! no scheduler is running: S starts one", "warn")]
    else:
        parts = [("– no scheduler is running; none is needed while the queue is empty", "muted")]
    paused = sum(run.status == "paused" for run in state.active)
    counts = {"running": len(state.active) - paused, "paused": paused}
    counted = [f"{number} {word}" for word, number in counts.items() if number]
    if sample is not None:
        names = [device.name for device in sample.devices]
        slots, taken = sum(map(state.slots_of, names)), sum(map(state.taken, names))
        counted.append(f"{taken} of {plural(slots, 'slot')} taken")
    return [*parts, ("   " + "   ".join(counted), "text")]


def about(run: RunRecord | None, device: str | None, scene: QueueScene) -> list[Part]:
    """What the line below says of the thing at the cursor: what did not fit above."""
    if run is not None:
        settings = f"{run_view.method(run)}  {run.model} {run.data}  wants {run.config.get('device') or 'auto'}"
        why = scene.state.reasons.get(run.id) or run.reason or ""
        return [(f"run {run.id}  {run.name}", "title"), (f"  {settings}", "muted"), (f"  {why}" if why else "", "text")]
    found = scene.sample.devices.named(device) if scene.sample is not None and device is not None else None
    if found is None:
        return []
    words = f"{plural(scene.state.slots_of(found.name), 'slot')}: the most runs at a time; + and - change it"
    return [(found.name, "title"), (f"  {found.description}", "muted"), (f"  {words}", "text")]
