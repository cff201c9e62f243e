"""What a run uses of its machine, recorded every ten seconds by a thread of its own.

The training's thread does nothing for it. A reading belongs to the step that is being taken. While no step ends (a
validation, a pause) the readings are taken all the same: the run's latest values and its energy follow them, and the
next step gets their mean. What the platform does not say is not recorded.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from engine.training.callbacks import Callback
from engine.training.console import say

if TYPE_CHECKING:
    from engine.launch.machine_usage import MachineUsage
    from engine.training.training import Training

__all__ = ["UsageRecorder"]

_EVERY_SECONDS = 10.0
_SOON_SECONDS = 2.0  # after the first reading of the training, whose load is still that of the preparations
_LARGEST_SHARE = 0.005  # of a core, that readings take: where there are very many processes, they become fewer
_CLOSE_SECONDS = 5.0  # a driver may not answer any more, and must not hold up the end of the run


class UsageRecorder(Callback):
    """Records what is read, with the steps of a training and as the run's latest values.

    Args:
        read: Reads once.
        latest: Takes the latest values by name, and `energy_wh`, the watt-hours since the first reading.
        every: Seconds between two readings.
    """

    def __init__(
        self, read: Callable[[], MachineUsage], latest: Callable[..., None], *, every: float = _EVERY_SECONDS
    ) -> None:
        self._read = read
        self._latest = latest
        self._every = every
        self._trainer: Training | None = None
        self._step = -1
        self._since: dict[str, tuple[float, int]] = {}  # sum and number of the readings since that step
        self._wake = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="machine", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def close(self) -> None:
        """Read a last time and end, within a few seconds at most."""
        self._closing = True
        self._wake.set()
        self._thread.join(_CLOSE_SECONDS)

    def on_start(self, trainer: Training) -> None:
        """From now on there are steps that readings belong to."""
        self._trainer = trainer
        self._wake.set()

    def _run(self) -> None:
        try:
            self.look()
            pause = self._every
            while not self._closing:
                starts = self._wake.wait(pause)
                self._wake.clear()
                took = self.look()
                pause = _SOON_SECONDS if starts else max(self._every, took / _LARGEST_SHARE)
        except Exception as error:  # whatever a driver does, the training goes on
            say(f"what the machine does is not recorded any more: {type(error).__name__}: {error}")

    def look(self) -> float:
        """Read and record once; returns the seconds of a core that it took."""
        began = time.thread_time()
        usage = self._read()
        if usage.values and self._trainer is not None:
            self._record(self._trainer, usage.values)
        energy = {"energy_wh": usage.joules / 3600} if usage.joules else {}
        if usage.values or energy:
            self._latest(**usage.values, **energy)
        return time.thread_time() - began

    def _record(self, trainer: Training, values: Mapping[str, float]) -> None:
        step = trainer.step
        if step != self._step:
            self._step, self._since = step, {}
        for name, value in values.items():
            total, count = self._since.get(name, (0.0, 0))
            self._since[name] = (total + value, count + 1)
        trainer.record(**{name: total / count for name, (total, count) in self._since.items()})
