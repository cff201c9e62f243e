"""`itop devices`: what runs can train on, and how many at once."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Annotated, Any

from cyclopts import Parameter

from db.runs import runs as store
from engine.launch.devices import Device, list_devices
from itop_tui.cli.errors import UsageError
from itop_tui.cli.parameters import Json
from itop_tui.cli.store import opened
from itop_tui.cli.terminal import Cell, Column, console, data, print_table
from itop_tui.figures.format import UNKNOWN, size
from itop_tui.service import queue_changes
from itop_tui.service.json_shape import plain_value, print_json

_COLUMNS = (
    Column("DEVICE"),
    Column("WHAT", shrink=True),
    Column("RUNS", right=True),
    Column("SLOTS", right=True),
    Column("MEMORY", right=True, rank=1),
    Column("LOAD", right=True, rank=2),
    Column("TEMP", right=True, rank=3),
)


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
        _check_known(changes, {device.name for device in found})
        chosen = queue_changes.set_slots(database, changes)
        busy = Counter(run.device for run in store.active(database) if run.device)
    if json:
        print_json([_document(device, busy[device.name], chosen.get(device.name, 1)) for device in found])
        return 0
    print_table(_COLUMNS, [_row(device, busy[device.name], chosen.get(device.name, 1)) for device in found])
    if found.problem:
        out = console(stderr=True)
        out.print(data(f"no GPU: {found.problem}" if not found.gpus else found.problem, "dim"), soft_wrap=True)
    return 0


def parse_slots(given: tuple[str, ...]) -> dict[str, int]:
    """Read `DEVICE=N` pairs.

    Raises:
        UsageError: With a line for each that is not one.
    """
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


def _check_known(changes: dict[str, int], known: set[str]) -> None:
    unknown = [name for name in changes if name not in known]
    if unknown:
        raise UsageError(
            *(
                f"slots = '{name}': must name one of this machine's devices: {', '.join(sorted(known))}"
                for name in unknown
            )
        )


def _document(device: Device, running: int, slots: int) -> dict[str, Any]:
    values = {field.name: getattr(device, field.name) for field in dataclasses.fields(device)}
    return {**plain_value(values), "runs": running, "slots": slots}


def _row(device: Device, running: int, slots: int) -> list[Cell]:
    if device.problem is not None:
        return [device.name, data(device.problem, "red"), str(running), str(slots), UNKNOWN, UNKNOWN, UNKNOWN]
    memory = UNKNOWN
    if device.memory_used is not None and device.memory_total is not None:
        memory = f"{size(device.memory_used)} of {size(device.memory_total)}"
    return [
        device.name,
        data(device.description),
        str(running),
        str(slots),
        memory,
        UNKNOWN if device.utilisation is None else f"{device.utilisation:.0f}%",
        UNKNOWN if device.temperature is None else f"{device.temperature:.0f} °C",
    ]
