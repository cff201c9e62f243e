"""Users' own models for the tests of this folder: each meets a real shortage, or takes its time."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path

import torch
from torch import Tensor, nn


class _Own(nn.Module):
    def __init__(self, *, at: int = 1) -> None:
        super().__init__()
        self.layer = nn.Linear(64, 10)
        self._calls = 0
        self._at = at

    def forward(self, inputs: Tensor) -> Tensor:
        if self.training and torch.is_grad_enabled():
            self._calls += 1
            if self._calls == self._at:
                self.act(inputs)
        out: Tensor = self.layer(inputs.flatten(1))
        return out

    def act(self, inputs: Tensor) -> None:
        raise NotImplementedError


class _Hungry(_Own):
    """Asks for more memory than its process may have."""

    def act(self, inputs: Tensor) -> None:
        held = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
        limits = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (held + (256 << 20), limits[1]))
        try:
            self.keep(inputs)
        finally:
            resource.setrlimit(resource.RLIMIT_AS, limits)

    def keep(self, inputs: Tensor) -> None:
        bytearray(4 << 30)


class _HungryTensor(_Hungry):
    def keep(self, inputs: Tensor) -> None:
        torch.zeros(1 << 30)


class _HungryOnDevice(_Own):
    """Asks for more memory than a device has."""

    def act(self, inputs: Tensor) -> None:
        torch.empty(1 << 42, dtype=torch.uint8, device=inputs.device)


class _Slow(_Own):
    """Takes a twentieth of a second for a step."""

    def forward(self, inputs: Tensor) -> Tensor:
        if self.training:
            time.sleep(0.05)
        out: Tensor = self.layer(inputs.flatten(1))
        return out


class _Broken(_Own):
    def act(self, inputs: Tensor) -> None:
        raise ArithmeticError("cheese\nis not a number")


class _Leaving(_Own):
    """Ends the process behind Python's back."""

    def act(self, inputs: Tensor) -> None:
        os._exit(0)


def leaves_at_once() -> nn.Module:
    return _Leaving(at=1)


def hungry() -> nn.Module:
    return _Hungry(at=4)


def hungry_tensor() -> nn.Module:
    return _HungryTensor(at=4)


def hungry_on_device() -> nn.Module:
    return _HungryOnDevice(at=4)


def slow() -> nn.Module:
    return _Slow()


def broken() -> nn.Module:
    return _Broken(at=4)


def broken_at_once() -> nn.Module:
    return _Broken(at=1)
