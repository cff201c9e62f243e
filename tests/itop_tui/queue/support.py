"""A queue and devices made by hand."""

from __future__ import annotations

from dataclasses import replace

from engine.launch.devices import Device, DeviceList, DeviceProcess
from itop_tui.queue.queue_state import QueueState
from itop_tui.queue.sampling import DeviceTracks
from tests.itop_tui.support import NOW, make_run

GIB = 2**30
CPU = Device("cpu", "AMD EPYC 7763, 16 cores", 64 * GIB, 21 * GIB, 43.0)
GPU = Device(
    "cuda:0",
    "NVIDIA H200",
    140 * GIB,
    96 * GIB,
    97.0,
    88.0,
    processes=(DeviceProcess(4242, 30 * GIB), DeviceProcess(1, 66 * GIB)),
)
BROKEN = Device("cuda:1", "unreadable GPU", problem="GPU is lost")
DEVICES = DeviceList((CPU, GPU, BROKEN))


def sample_state() -> QueueState:
    """Two runs at work here and one on another host; four that wait, one of them held, one ahead by its priority."""
    return QueueState(
        host="workstation",
        active=(
            make_run(3, "running", step=730, epoch=17),
            make_run(4, "paused", "rigl-itop", step=61_000, total_steps=88_000, device="cuda:0"),
            make_run(5, "running", "digits-set", step=90, host="gpubox", device="cuda:0"),
        ),
        waiting=(
            make_run(9, "queued", "rigl-itop-5x", priority=2, name="extended [bold]training\x1b[31m of vgg-c"),
            make_run(6, "queued", "digits-set"),
            make_run(7, "queued", "digits-static", held=True, reason="held by user"),
            make_run(8, "queued", "digits-dense"),
        ),
        reasons={
            9: "cuda:0 is busy (1 of 1 slot taken); cuda:1 cannot be read: GPU is lost",
            6: "cpu is busy (1 of 1 slot taken)",
            7: "held by user",
            8: "cpu is busy (1 of 1 slot taken)",
        },
        slots={"cuda:1": 0},
        queued=4,
        held=1,
        scheduler=True,
    )


def sample_tracks() -> DeviceTracks:
    """Two minutes of history: load that rises and falls, memory that grows."""
    tracks = DeviceTracks()
    for number in range(60):
        part = number / 59
        tracks.add(
            [
                replace(CPU, utilisation=100 * abs(part - 0.5) * 2, memory_used=int(64 * GIB * part / 2)),
                replace(GPU, utilisation=100 * part, temperature=40 + 48 * part),
                BROKEN,
            ]
        )
    return tracks


def at() -> float:
    """The time at which all of this is so."""
    return NOW
