"""`itop devices`: what runs can train on, and how many at once."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

from cyclopts import Parameter

from db.runs import runs as store
from engine.launch.devices import Device, list_devices
from itop_tui.cli.errors import UsageError
from itop_tui.cli.parameters import Json
from itop_tui.cli.store import opened
from itop_tui.cli.terminal import Column, console, data, print_table
from itop_tui.figures.format import UNKNOWN, size
from itop_tui.service import queue_changes
from itop_tui.service.json_shape import document, print_json


def devices(
    *,
    slots: Annotated[
        tuple[str, ...],
        Parameter(
            help="How many runs a device takes at once, as cpu=2; may be given several times. 0 keeps it free.",
            negative=(),
            show_default=False,
            metavar="DEVICE=N",
        ),
    ] = (),
    json: Json = False,
) -> int:
    """List the devices of this machine with what runs there; set how many runs each takes at once.

    Without a setting each device takes one run.
    """
    changes = parse_slots(slots)
    with opened() as database:
        found = list_devices()
        known = sorted({device.name for device in found})
        allowed = f"must name one of this machine's devices: {', '.join(known)}"
        if unknown := [f"slots = '{name}': {allowed}" for name in changes if name not in known]:
            raise UsageError(*unknown)
        chosen = queue_changes.set_slots(database, changes)
        busy = Counter(run.device for run in store.active(database) if run.device)
    if json:
        print_json([{**document(one), "runs": busy[one.name], "slots": chosen.get(one.name, 1)} for one in found])
        return 0
    columns = (
        Column("DEVICE", lambda one: one.name),
        Column("WHAT", lambda one: data(one.problem, "red") if one.problem else data(one.description), shrink=True),
        Column("RUNS", lambda one: str(busy[one.name]), right=True),
        Column("SLOTS", lambda one: str(chosen.get(one.name, 1)), right=True),
        Column("MEMORY", _memory, right=True, rank=1),
        Column("LOAD", lambda one: _figure(one, one.utilisation, "%"), right=True, rank=2),
        Column("TEMP", lambda one: _figure(one, one.temperature, " °C"), right=True, rank=3),
    )
    print_table(columns, found)
    if found.problem:
        out = console(stderr=True)
        out.print(data(f"no GPU: {found.problem}" if not found.gpus else found.problem, "dim"), soft_wrap=True)
    return 0


def parse_slots(given: tuple[str, ...]) -> dict[str, int]:
    """Read `DEVICE=N` pairs; what is none of them is a wrong command line, with a line for each."""
    slots: dict[str, int] = {}
    wrong: list[str] = []
    for pair in (part for one in given for part in one.split(",")):
        device, _, number = pair.strip().rpartition("=")
        if device and number.isdecimal():
            slots[device.strip().lower()] = int(number)
        else:
            wrong.append(f"slots = '{pair}': must be a device, = and a whole number, as in cpu=2")
    if wrong:
        raise UsageError(*wrong)
    return slots


def _memory(device: Device) -> str:
    if device.problem or device.memory_used is None or device.memory_total is None:
        return UNKNOWN
    return f"{size(device.memory_used)} of {size(device.memory_total)}"


def _figure(device: Device, value: float | None, unit: str) -> str:
    return UNKNOWN if device.problem or value is None else f"{value:.0f}{unit}"
