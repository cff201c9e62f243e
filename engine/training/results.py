"""The results of one step and of one epoch, and how metrics leave the device without a wait.

A training loop that calls ``loss.item()`` makes the processor wait for the GPU at every step. Here the scalars of a
step stay on the device, are copied together to pinned memory behind the step's own kernels, and are delivered when an
event says that they have arrived: a few steps late, in order, and all of them by :meth:`MetricStream.flush`. On the
CPU, where there is nothing to wait for, they are delivered at once.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch

__all__ = ["EpochResult", "EpochSums", "MetricStream", "StepHeader", "StepResult", "Throughput"]


@dataclass(frozen=True, slots=True)
class StepHeader:
    """What the processor knows of a step without asking the device. ``step`` counts from 1."""

    step: int
    epoch: int
    samples: int
    learning_rate: float
    death_rate: float
    density: float
    itop_rate: float
    samples_per_second: float
    at: float


@dataclass(frozen=True, slots=True)
class StepResult:
    """One optimizer step: its header, its mean loss, the share of its samples it got right, and other metrics by name.

    ``metrics`` holds what was passed to :meth:`Trainer.record` before the step ended.
    """

    header: StepHeader
    loss: float
    accuracy: float
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EpochResult:
    """One epoch: means over its training steps, and the validation split where there is one (else None).

    ``complete`` is False where ``max_steps`` cut it short.
    """

    epoch: int
    step: int
    train_loss: float
    train_accuracy: float
    val_loss: float | None
    val_accuracy: float | None
    learning_rate: float
    seconds: float
    at: float
    complete: bool = True


@dataclass(slots=True)
class EpochSums:
    """Running sums of an epoch; they travel in checkpoints, so that an epoch cut in two has one mean."""

    loss: float = 0.0
    correct: float = 0.0
    samples: int = 0
    seconds: float = 0.0

    def add(self, loss: float, correct: float, samples: int) -> None:
        """Count one step: its mean loss, weighted by its samples, and its correct answers."""
        self.loss += loss * samples
        self.correct += correct
        self.samples += samples

    @property
    def mean_loss(self) -> float:
        """Mean loss a sample; NaN before the first."""
        return self.loss / self.samples if self.samples else float("nan")

    @property
    def accuracy(self) -> float:
        """Share of correct answers; NaN before the first sample."""
        return self.correct / self.samples if self.samples else float("nan")


_SMOOTHED_SECONDS = 10.0
_LEAST_KEPT = 0.95
"""The weight of the past after each step at least: about twenty steps count, however long one takes."""


class Throughput:
    """Samples a second over about the last ten seconds, or twenty steps where those take longer.

    Pauses and evaluations are left out. The time left is worked out from it, so it must not jump: of five hundred
    steps a second, twenty are no measure. Samples and seconds are averaged apart: slow steps count by their number.

    Args:
        clock: Monotonic seconds; passed in by tests.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._last: float | None = None
        self._steps = 0
        self._samples = self._seconds = 0.0

    def restart(self) -> None:
        """Do not count the time since the last step: something else than training happened."""
        self._last = self._clock()

    def tick(self, samples: int) -> tuple[float, float]:
        """Count a step; return (seconds it took, smoothed samples a second)."""
        now = self._clock()
        elapsed = max(now - (self._last if self._last is not None else now), 1e-9)
        self._last = now
        kept = max(_LEAST_KEPT, math.exp(-elapsed / _SMOOTHED_SECONDS))
        if self._steps == 1:  # the first step, in which everything warms up, is no measure once there is another
            kept = 0.0
        self._steps += 1
        self._samples = kept * self._samples + max(samples, 1)
        self._seconds = kept * self._seconds + elapsed
        return elapsed, self._samples / self._seconds


class MetricStream:
    """Delivers the metrics of each step, in order: any number of scalars, with one copy from the device a step.

    Args:
        device: Where the scalars are computed.
        deliver: Called with (header, values by name) for each step, on the caller's thread.
        depth: How many steps may be on their way on CUDA. Beyond it the oldest is waited for, which holds the
            processor back from running ahead of the device without end and leaves the device busy.
        width: How many scalars a step may send before the buffers must grow, which waits for the device once.
    """

    def __init__(
        self,
        device: torch.device,
        deliver: Callable[[StepHeader, dict[str, float]], None],
        *,
        depth: int = 64,
        width: int = 32,
    ) -> None:
        self._deliver = deliver
        self._pending: deque[_OnItsWay] = deque()
        self._asynchronous = device.type == "cuda"
        self._depth = depth
        self._next = 0
        if self._asynchronous:
            self._allocate(width)
            self._events = [torch.cuda.Event() for _ in range(depth)]  # type: ignore[no-untyped-call]  # torch leaves it untyped

    def push(self, header: StepHeader, scalars: Mapping[str, torch.Tensor | float]) -> None:
        """Send the metrics of a step on their way.

        Args:
            header: What is known of the step already.
            scalars: By name: scalars on the device, which are not waited for, or plain numbers.
        """
        if not self._asynchronous:
            self._deliver(header, {name: float(value) for name, value in scalars.items()})
            return
        if len(self._pending) == self._depth:
            self._events[self._pending[0].slot].synchronize()
        self.poll()
        on_device = {
            name: value for name, value in scalars.items() if isinstance(value, torch.Tensor) and value.is_cuda
        }
        if len(on_device) > self._slots.shape[1]:
            self.flush()
            self._allocate(2 * len(on_device))
        slot = self._next
        self._next = (slot + 1) % self._depth
        if on_device:
            row = torch.stack([value.detach().double() for value in on_device.values()])
            self._slots[slot, : len(on_device)].copy_(row, non_blocking=True)
        self._events[slot].record()
        known = {name: float(value) for name, value in scalars.items() if name not in on_device}
        self._pending.append(_OnItsWay(header, slot, tuple(on_device), known))

    def poll(self) -> None:
        """Deliver what has arrived; waits for nothing."""
        while self._pending and self._events[self._pending[0].slot].query():  # type: ignore[no-untyped-call]  # torch leaves it untyped
            self._pop()

    def flush(self) -> None:
        """Deliver all steps pushed so far, waiting for those still on the device."""
        while self._pending:
            self._events[self._pending[0].slot].synchronize()
            self._pop()

    def _allocate(self, width: int) -> None:
        # Everything is allocated before it is used: pinning memory in the loop would synchronise.
        self._slots = torch.empty((self._depth, width), dtype=torch.float64, pin_memory=True)

    def _pop(self) -> None:
        step = self._pending.popleft()
        arrived = self._slots[step.slot, : len(step.names)].tolist()
        self._deliver(step.header, dict(zip(step.names, arrived, strict=True)) | step.known)


@dataclass(frozen=True, slots=True)
class _OnItsWay:
    """A step whose scalars are in a slot as soon as its event has happened."""

    header: StepHeader
    slot: int
    names: tuple[str, ...]
    known: dict[str, float]
